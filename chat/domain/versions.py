"""Position of a message among its versions."""

from __future__ import annotations

from collections.abc import Sequence

from chat.domain.message import Versions


def versions(siblings: Sequence[str], id: str) -> Versions:
    """Return the position of `id` among `siblings`, the ids of all its versions, oldest first."""
    index = list(siblings).index(id)
    return Versions(
        position=index + 1,
        count=len(siblings),
        previous_id=siblings[index - 1] if index else None,
        next_id=siblings[index + 1] if index + 1 < len(siblings) else None,
    )

"""Search hits: ranking of candidates, and conversion of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from chat.domain.message import Role
from chat.domain.search_query import Matcher
from chat.store.schema import now

PER_CONVERSATION = 3  # hits of one conversation that are ranked before the rest


@dataclass(frozen=True, slots=True)
class Hit:
    """A matching message, or a matching title if `message_id` is None.

    `snippet` is a list of (text, is match) parts.
    """

    conversation_id: str
    title: str
    message_id: str | None
    role: Role | None
    model: str | None
    snippet: tuple[tuple[str, bool], ...]
    at: datetime
    is_pinned: bool


def rank_messages(found: Sequence[Row[Any]], matcher: Matcher) -> list[Row[Any]]:
    """Sort by score; hits of a conversation beyond `PER_CONVERSATION` come last."""
    moment = now()

    def score(row: Row[Any]) -> float:
        return matcher.score(row.beginning, (moment - row.at).total_seconds() / 86_400)

    best: list[Row[Any]] = []
    others: list[Row[Any]] = []
    seen: dict[str, int] = {}
    for row in sorted(found, key=score, reverse=True):
        seen[row.conversation_id] = seen.get(row.conversation_id, 0) + 1
        (best if seen[row.conversation_id] <= PER_CONVERSATION else others).append(row)
    return [*best, *others]


def as_hit(row: Row[Any], matcher: Matcher, source: str) -> Hit:
    return Hit(
        conversation_id=row.conversation_id,
        title=row.title,
        message_id=row.message_id,
        role=Role(row.role) if row.role else None,
        model=row.model,
        snippet=matcher.snippet(source),
        at=row.at,
        is_pinned=row.pinned_at is not None,
    )

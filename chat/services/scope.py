"""The data that a use case works on: one owner's part of one space."""

from __future__ import annotations

from dataclasses import dataclass

from chat.errors import NotFound
from chat.replies.runtime import Runtime
from chat.replies.space import Space


@dataclass(frozen=True, slots=True)
class Scope:
    """`owner` scopes every query. It is empty for a user who has not signed in."""

    runtime: Runtime
    space: Space
    owner: str

    def require_owner(self) -> None:
        """Raise `NotFound` for a user who has not signed in."""
        if not self.owner:
            raise NotFound

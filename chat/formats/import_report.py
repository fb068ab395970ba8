"""What became of everything that was to be imported, one line for each conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from chat.formats import validation


class ImportOutcome(StrEnum):
    ADDED = "added"
    MERGED = "merged"  # into the conversation that was imported before
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ItemReport:
    """One conversation, or the file itself where that could not be read."""

    title: str
    outcome: ImportOutcome
    sentence: str = ""  # why, or how much
    conversation_id: str | None = None
    notes: tuple[str, ...] = ()  # what was left out or put right


@dataclass(frozen=True, slots=True)
class ImportReport:
    items: tuple[ItemReport, ...]
    notes: tuple[str, ...] = ()  # about the file as a whole
    is_cancelled: bool = False

    def count(self, outcome: ImportOutcome) -> int:
        return Counter(item.outcome for item in self.items)[outcome]

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        parts = [
            f"{self.count(outcome):,} {outcome}" for outcome in ImportOutcome if self.count(outcome)
        ]
        text = ", ".join(parts) if parts else "nothing to import"
        text = f"{text[:1].upper()}{text[1:]}"
        return f"{text}; cancelled before the end." if self.is_cancelled else f"{text}."


LONGEST_ROLE = 40  # characters


_MOST_NAMED = 5


def role_of(raw: object) -> str:
    """The role of a message, as it is named when it is unknown."""
    return validation.text(validation.mapping(raw).get("role"), LONGEST_ROLE).strip()


def left_out(count: int, what: str) -> str:
    messages, were = ("message", "was") if count == 1 else ("messages", "were")
    return f"{count:,} {messages} {what} {were} left out."


def unknown(roles: Mapping[str, int]) -> list[str]:
    """The sentences about unknown roles, each with how many messages have it."""
    said = [
        left_out(count, f"of the unknown role “{role}”" if role else "without a role")
        for role, count in islice(roles.items(), _MOST_NAMED)
    ]
    if rest := sum(islice(roles.values(), _MOST_NAMED, None)):
        said.append(left_out(rest, "of other unknown roles"))
    return said

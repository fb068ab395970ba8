"""The report of an import: the outcome of each conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from chat.formats import validation

MAX_ROLE_LENGTH = 40  # characters
_MAX_LISTED_ROLES = 5


class ImportOutcome(StrEnum):
    ADDED = "added"
    MERGED = "merged"  # into the conversation of an earlier import
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ItemReport:
    """The outcome of one conversation, or of the file if it cannot be read."""

    title: str
    outcome: ImportOutcome
    sentence: str = ""  # the reason, or the number of messages
    conversation_id: str | None = None
    notes: tuple[str, ...] = ()  # corrections and omissions


@dataclass(frozen=True, slots=True)
class ImportReport:
    items: tuple[ItemReport, ...]
    notes: tuple[str, ...] = ()  # about the file as a whole
    is_cancelled: bool = False

    def count(self, outcome: ImportOutcome) -> int:
        return Counter(item.outcome for item in self.items)[outcome]

    @property
    def sentence(self) -> str:
        """A summary on one line, e.g. "2 added, 1 unchanged."."""
        parts = [
            f"{self.count(outcome):,} {outcome}" for outcome in ImportOutcome if self.count(outcome)
        ]
        text = ", ".join(parts) if parts else "nothing to import"
        text = f"{text[:1].upper()}{text[1:]}"
        return f"{text}; cancelled before the end." if self.is_cancelled else f"{text}."


def role_name(message: object) -> str:
    """Return the role of a raw message, shortened for display; "" if it has none."""
    return validation.text(validation.mapping(message).get("role"), MAX_ROLE_LENGTH).strip()


def skipped_note(count: int, description: str) -> str:
    """Return a sentence such as "2 messages of tools were left out."."""
    messages, were = ("message", "was") if count == 1 else ("messages", "were")
    return f"{count:,} {messages} {description} {were} left out."


def unknown_role_notes(roles: Mapping[str, int]) -> list[str]:
    """Return sentences about skipped messages with unknown roles, given the count per role."""
    notes = [
        skipped_note(count, f"of the unknown role “{role}”" if role else "without a role")
        for role, count in islice(roles.items(), _MAX_LISTED_ROLES)
    ]
    if rest := sum(islice(roles.values(), _MAX_LISTED_ROLES, None)):
        notes.append(skipped_note(rest, "of other unknown roles"))
    return notes

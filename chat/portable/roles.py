"""What a report says about messages that were left out, those of unknown roles by their name. Pure.

The names come out of a file that anybody may have written: cut short, and only some of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from chat.portable import fields

LONGEST_ROLE = 40  # characters
_MOST_NAMED = 5


def role_of(raw: object) -> str:
    """The role of a message, as it is named when it is unknown."""
    return fields.text(fields.mapping(raw).get("role"), LONGEST_ROLE).strip()


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

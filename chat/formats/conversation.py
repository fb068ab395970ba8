"""A conversation with everything in it, on its way out or in: the one form all formats share.

Its ids are those of the place it comes from. What comes in has been checked: messages stand parents
first, their depths are right, every id that is pointed to is there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from chat.domain.conversation import Conversation
from chat.domain.message import Message

OWN = "parley"
LONGEST_KEY = 150  # characters; room for a tag is left within the 200 of the database
_OWN_ID = re.compile(r"[0-9a-f]{30}")


class Unreadable(Exception):
    """Something that cannot be taken in; its text is the sentence a person reads."""


@dataclass(frozen=True, slots=True)
class Node:
    """One message. `resume_leaf_id`: where its branch stood when another version was shown."""

    message: Message
    origin: str | None = None  # its id where it first came from, "chatgpt:…"
    resume_leaf_id: str | None = None
    is_counted: bool = True  # whether its tokens are known

    @property
    def keys(self) -> tuple[str, ...]:
        """What it can be known by, in an earlier copy of the same conversation."""
        return keys(self.message.id, self.origin)


@dataclass(frozen=True, slots=True)
class ClearMark:
    """Context begins afresh after the message."""

    message_id: str
    created_at: datetime


def nothing(sha256: str) -> bytes | None:
    """The contents of a conversation without files."""
    return None


@dataclass(frozen=True, slots=True)
class PortableConversation:
    """`content` gives attached bytes by their SHA-256, unchecked, None when they are not there.

    `notes` are sentences about what could not be taken along.
    """

    conversation: Conversation
    nodes: tuple[Node, ...]
    marks: tuple[ClearMark, ...] = ()
    origin: str | None = None
    pinned_at: datetime | None = None
    notes: tuple[str, ...] = ()
    content: Callable[[str], bytes | None] = field(default=nothing, repr=False, compare=False)

    @property
    def keys(self) -> tuple[str, ...]:
        return keys(self.conversation.id, self.origin)


def is_parley_id(id_: str) -> bool:
    """Whether it looks like an id that Parley made."""
    return _OWN_ID.fullmatch(id_) is not None


def keys(id_: str, origin: str | None) -> tuple[str, ...]:
    """The names of one thing across databases; the first is what a copy is stored with."""
    own = key(OWN, id_) if is_parley_id(id_) or origin is None else None
    return tuple(name for name in (origin, own) if name)


def key(source: str, id_: str) -> str:
    """Its id with the name of the source; an id too long to be kept is hashed."""
    name = f"{source}:{id_}"
    if len(name) <= LONGEST_KEY:
        return name
    return f"{source}:sha256:{hashlib.sha256(id_.encode('utf-8', 'replace')).hexdigest()}"

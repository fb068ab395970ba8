"""What of a conversation is new beside an earlier copy of it. Pure.

A message is known by where it came from. One that says something else now becomes a version beside
the old one, and all that follows it in the copy comes along.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from chat.domain.message import Role, Status
from chat.formats.conversation import OWN, Node, PortableConversation, key


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message that is stored already."""

    id: str
    depth: int
    origin: str | None
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Addition:
    """A new message. `origin` is what a later copy finds it by if it does not keep its id."""

    node: Node
    origin: str
    is_changed: bool  # or below a changed one: it must not keep its id


@dataclass(frozen=True, slots=True)
class MergePlan:
    """`known`: the stored id for each id of the copy that is there already."""

    additions: tuple[Addition, ...]
    known: dict[str, str]
    depths: dict[str | None, int]  # of what is stored; -1 for what is above the first ones


def plan_merge(stored: Sequence[StoredMessage], portable: PortableConversation) -> MergePlan:
    by_name: dict[str, StoredMessage] = {}
    for message in stored:
        by_name[key(OWN, message.id)] = message
    for message in stored:
        if message.origin:
            by_name.setdefault(message.origin, message)
    tags: dict[str | None, str] = {None: ""}
    known: dict[str, str] = {}
    additions = []
    for node in portable.nodes:
        tag = tags[node.message.parent_id]
        found = _find(by_name, node, tag)
        if found is not None and not _is_same(found, node):
            tag = _tag(tag, node)
            found = _find(by_name, node, tag)
        tags[node.message.id] = tag
        if found is not None:
            known[node.message.id] = found.id
        else:
            origin = _tagged(node.keys[0], tag)
            additions.append(Addition(node, origin, is_changed=bool(tag)))
    depths: dict[str | None, int] = {message.id: message.depth for message in stored}
    return MergePlan(tuple(additions), known, {**depths, None: -1})


def _find(by_name: dict[str, StoredMessage], node: Node, tag: str) -> StoredMessage | None:
    names = (_tagged(name, tag) for name in node.keys)
    return next((by_name[name] for name in names if name in by_name), None)


def _is_same(stored: StoredMessage, node: Node) -> bool:
    """Whether it says the same, or is what the stored answer was before it went on."""
    message = node.message
    if stored.role is not message.role:
        return False
    if stored.text == message.text:
        return True
    # Only an answer that was not at its end can have gone on since the copy was made.
    is_open = message.status is not Status.COMPLETE or message.finish_reason == "length"
    return message.role is Role.ASSISTANT and is_open and stored.text.startswith(message.text)


def _tag(above: str, node: Node) -> str:
    words = "\0".join((above, node.message.role, node.message.text))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16]


def _tagged(name: str, tag: str) -> str:
    return f"{name[:180]}#{tag}" if tag else name

"""Compare a conversation with its stored copy and plan which messages to add. Pure.

Messages are matched by origin. A message with another text becomes a version beside the
stored one, and its descendants are added below it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from chat.domain.message import Role, Status
from chat.formats.conversation import PARLEY, Node, PortableConversation, origin_key

_MAX_KEY_PREFIX = 180  # characters; "#" and a tag of 16 fit into the 200 of the database column


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: str
    depth: int
    origin: str | None
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Addition:
    """A message to add. If it does not keep its id, later copies are matched by `origin`."""

    node: Node
    origin: str
    is_changed: bool  # True for a changed message and its descendants, which need new ids


@dataclass(frozen=True, slots=True)
class MergePlan:
    """`known` maps ids of the copy to the ids of stored messages."""

    additions: tuple[Addition, ...]
    known: dict[str, str]
    depths: dict[str | None, int]  # of stored messages; -1 for None, the parent of roots


def plan_merge(stored: Sequence[StoredMessage], portable: PortableConversation) -> MergePlan:
    by_key: dict[str, StoredMessage] = {}
    for message in stored:
        by_key[origin_key(PARLEY, message.id)] = message
    for message in stored:
        if message.origin:
            by_key.setdefault(message.origin, message)
    tags: dict[str | None, str] = {None: ""}
    known: dict[str, str] = {}
    additions = []
    for node in portable.nodes:
        tag = tags[node.message.parent_id]
        found = _find(by_key, node, tag)
        if found is not None and not _is_same(found, node):
            tag = _version_tag(tag, node)
            found = _find(by_key, node, tag)
        tags[node.message.id] = tag
        if found is not None:
            known[node.message.id] = found.id
        else:
            origin = _with_tag(node.keys[0], tag)
            additions.append(Addition(node, origin, is_changed=bool(tag)))
    depths: dict[str | None, int] = {message.id: message.depth for message in stored}
    return MergePlan(tuple(additions), known, {**depths, None: -1})


def _find(by_key: dict[str, StoredMessage], node: Node, tag: str) -> StoredMessage | None:
    keys = (_with_tag(key, tag) for key in node.keys)
    return next((by_key[key] for key in keys if key in by_key), None)


def _is_same(stored: StoredMessage, node: Node) -> bool:
    """Return whether the texts are equal, or the stored answer continues that of the copy."""
    message = node.message
    if stored.role is not message.role:
        return False
    if stored.text == message.text:
        return True
    # Only an unfinished answer can have been continued since the copy was made.
    is_unfinished = message.status is not Status.COMPLETE or message.finish_reason == "length"
    return message.role is Role.ASSISTANT and is_unfinished and stored.text.startswith(message.text)


def _version_tag(parent_tag: str, node: Node) -> str:
    """Return a hash that distinguishes a changed message from other versions of it."""
    content = "\0".join((parent_tag, node.message.role, node.message.text))
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]


def _with_tag(key: str, tag: str) -> str:
    return f"{key[:_MAX_KEY_PREFIX]}#{tag}" if tag else key

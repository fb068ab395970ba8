"""Serialize a conversation to Parley's versioned JSON format, and parse untrusted JSON. Pure.

    {"format": "parley.conversation", "version": 1, "id", "title", "created_at", "updated_at",
     "pinned_at", "origin", "settings": {…}, "leaf_id", "clear_marks": [{"message_id",
     "created_at"}], "messages": [{…, "attachments": [{…}]}], "contents": {sha256: base64}}

Times are ISO 8601 in UTC. Parents precede their children in `messages`. `contents` is absent in an
archive, which holds attachments as entries. Within a version, fields may be added but not changed.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from chat.domain.attachment import Attachment
from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.message import Role
from chat.domain.title import TITLE_LENGTH, UNTITLED, title_from
from chat.formats import validation
from chat.formats.conversation import ClearMark, Node, PortableConversation, UnreadableConversation
from chat.formats.import_report import role_name, unknown_role_notes
from chat.formats.message_tree import Tree, build_tree, prune
from chat.formats.parley.message_json import message_from_json, message_to_json

FORMAT, VERSION = "parley.conversation", 1
MAX_REPLY_TOKENS = 10_000_000
_ROLES = {role.value for role in Role}
_SETTINGS = {"model", "temperature", "system_prompt", "max_reply_tokens"}


def to_json(portable: PortableConversation) -> dict[str, Any]:
    """Return the conversation without the contents of its attachments."""
    conversation = portable.conversation
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": conversation.id,
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
        "pinned_at": portable.pinned_at.isoformat() if portable.pinned_at else None,
        "origin": portable.origin,
        "settings": asdict(conversation.settings),
        "leaf_id": conversation.leaf_id,
        "clear_marks": [
            {"message_id": mark.message_id, "created_at": mark.created_at.isoformat()}
            for mark in portable.marks
        ],
        "messages": [message_to_json(node) for node in portable.nodes],
    }


def with_contents(portable: PortableConversation) -> dict[str, Any]:
    """Return the conversation with the contents of its attachments, once each by SHA-256."""
    contents = {}
    for sha256 in hashes(file for node in portable.nodes for file in node.message.attachments):
        data = portable.content(sha256)
        if data is not None:
            contents[sha256] = base64.b64encode(data).decode()
    return {**to_json(portable), "contents": contents}


def hashes(files: Iterable[Attachment]) -> list[str]:
    """Return the hashes of all contents of the attachments, without duplicates."""
    found: dict[str, None] = {}
    for file in files:
        for sha256 in (file.sha256, file.text_sha256, file.preview_sha256):
            if sha256:
                found[sha256] = None
    return list(found)


def is_parley(value: Any) -> bool:
    return isinstance(value, dict) and value.get("format") == FORMAT


def from_json(value: Mapping[str, Any], now: datetime) -> PortableConversation:
    """Convert a JSON value and correct invalid fields. Raises `UnreadableConversation`."""
    if value.get("version") != VERSION:
        raise UnreadableConversation(
            "It was exported by a newer version of Parley. Update Parley, then retry."
        )
    raw_messages = value.get("messages")
    if not isinstance(raw_messages, list) or not raw_messages:
        raise UnreadableConversation("It holds no messages.")
    started = validation.timestamp(value.get("created_at"), now) or now
    notes: list[str] = []
    nodes, tree = _nodes(raw_messages, started, now, notes)
    if not nodes:
        raise UnreadableConversation(" ".join(("None of its messages can be read.", *notes)))
    leaf_id = tree.resolve(validation.text(value.get("leaf_id")))
    conversation = Conversation(
        id=validation.text(value.get("id"), 100),
        owner="",
        title=_title(value.get("title"), nodes),
        settings=_settings(value.get("settings"), notes),
        leaf_id=leaf_id or max(nodes, key=_created).message.id,
        cleared_ids=(),
        created_at=started,
        updated_at=validation.timestamp(value.get("updated_at"), now) or started,
    )
    contents = validation.mapping(value.get("contents"))
    return PortableConversation(
        conversation=conversation,
        nodes=nodes,
        marks=_marks(value.get("clear_marks"), tree, started, now),
        origin=validation.optional_text(value.get("origin"), 200),
        pinned_at=validation.timestamp(value.get("pinned_at"), now),
        notes=(*tree.notes, *notes),
        content=lambda sha256: _decode(contents.get(sha256)),
    )


def _nodes(
    raw_messages: list[Any], started: datetime, now: datetime, notes: list[str]
) -> tuple[tuple[Node, ...], Tree]:
    found: dict[str, Node] = {}
    skipped: dict[str, str | None] = {}  # id → parent
    unknown_roles: Counter[str] = Counter()
    unreadable = duplicates = 0
    for raw in raw_messages:
        node = message_from_json(raw, started, now)
        if node is None:
            role, value = role_name(raw), validation.mapping(raw)
            if role and role not in _ROLES:
                unknown_roles[role] += 1
            else:
                unreadable += 1
            skipped.setdefault(
                validation.text(value.get("id")), validation.optional_text(value.get("parent_id"))
            )
        elif node.message.id in found:
            duplicates += 1
        else:
            found[node.message.id] = node
    notes.extend(unknown_role_notes(unknown_roles))
    if unreadable:
        notes.append(f"{unreadable:,} messages cannot be read and were left out.")
    if duplicates:
        notes.append(f"{duplicates:,} messages had a duplicate id and were left out.")
    parents = {id_: node.message.parent_id for id_, node in found.items()}
    skipped = {id_: parent for id_, parent in skipped.items() if id_ and id_ not in found}
    tree = prune(build_tree({**parents, **skipped}), skipped)
    return tuple(_in_tree(found[id_], tree) for id_ in tree.order), tree


def _in_tree(node: Node, tree: Tree) -> Node:
    """Return the node with its references and depth set from the tree."""
    message, known = node.message, tree.parents
    return replace(
        node,
        message=replace(
            message,
            parent_id=known[message.id],
            depth=tree.depths[message.id],
            replaces_id=message.replaces_id if message.replaces_id in known else None,
        ),
        resume_leaf_id=tree.resolve(node.resume_leaf_id),
    )


def _settings(value: Any, notes: list[str]) -> ReplySettings:
    raw = validation.mapping(value)
    temperature = validation.number(raw.get("temperature"))
    if temperature is not None and not 0 <= temperature <= 2:
        temperature = None
    limit = validation.integer(raw.get("max_reply_tokens"), MAX_REPLY_TOKENS) or None
    settings = ReplySettings(
        model=validation.optional_text(raw.get("model"), 300),
        temperature=temperature,
        system_prompt=validation.text(raw.get("system_prompt")),
        max_reply_tokens=limit,
    )
    for name, parsed in asdict(settings).items():
        if raw.get(name) is not None and parsed in (None, "") and raw.get(name) != "":
            label = name.replace("_", " ")
            notes.append(f"The {label} is invalid; the default is used.")
    if set(raw) - _SETTINGS:
        notes.append("Unknown settings were left out.")
    return settings


def _marks(value: Any, tree: Tree, started: datetime, now: datetime) -> tuple[ClearMark, ...]:
    found: dict[str, ClearMark] = {}
    for raw in map(validation.mapping, validation.sequence(value)):
        id_ = tree.resolve(validation.text(raw.get("message_id")))
        if id_ is not None:
            created_at = validation.timestamp(raw.get("created_at"), now) or started
            found.setdefault(id_, ClearMark(id_, created_at))
    return tuple(found.values())


def _title(value: Any, nodes: tuple[Node, ...]) -> str:
    title = validation.text(value)
    if title and len(title) <= TITLE_LENGTH and title.isprintable() and title == title.strip():
        return title  # unchanged: `title_from` could shorten it
    title = title_from(title)
    if title != UNTITLED:
        return title
    first = next((node.message.text for node in nodes if node.message.role is Role.USER), "")
    return title_from(first)


def _created(node: Node) -> tuple[datetime, int]:
    return node.message.created_at, node.message.depth


def _decode(value: Any) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None

"""Import a line of OpenAI-style JSONL: {"messages": [{"role", "content"}, …]}. Pure.

The format has no ids, so a conversation is identified by the hash of its content.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.message import Message, Role, Status
from chat.domain.title import title_from
from chat.formats import validation
from chat.formats.conversation import Node, PortableConversation, UnreadableConversation
from chat.formats.import_report import role_name, skipped_note, unknown_role_notes

SOURCE = "jsonl"
_INSTRUCTION_ROLES = {"system", "developer"}
_TOOL_ROLES = {"tool", "function"}
_PLACEHOLDERS = {
    "image_url": "[Image, not included]",
    "input_image": "[Image, not included]",
    "input_audio": "[Recording, not included]",
    "file": "[File, not included]",
}


def is_jsonl(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("messages"), list)


def from_jsonl(value: Mapping[str, Any], now: datetime) -> PortableConversation:
    """Convert a JSON value. Raises `UnreadableConversation`."""
    turns: list[tuple[Role, str]] = []
    prompts: list[str] = []
    skipped: Counter[str] = Counter()
    unknown_roles: Counter[str] = Counter()
    for raw in value["messages"]:
        role, text = role_name(raw), _text(validation.mapping(raw).get("content"))
        if not isinstance(raw, dict):
            skipped["that cannot be read"] += 1
        elif role in _TOOL_ROLES:
            skipped["of tools"] += 1
        elif role not in (*_INSTRUCTION_ROLES, Role.USER, Role.ASSISTANT):
            unknown_roles[role] += 1
        elif not text:
            skipped["without any text"] += 1
        elif role in _INSTRUCTION_ROLES:
            prompts.append(text)
        else:
            turns.append((Role(role), text))
    notes = [
        *(skipped_note(count, description) for description, count in skipped.items()),
        *unknown_role_notes(unknown_roles),
    ]
    if not turns:
        raise UnreadableConversation(" ".join(("It holds no question and no answer.", *notes)))
    prompt = "\n\n".join(prompts)
    digest = hashlib.sha256(orjson.dumps([prompt, *turns])).hexdigest()
    nodes = tuple(_nodes(turns, digest, now))
    return PortableConversation(
        conversation=Conversation(
            id=digest,
            owner="",
            title=title_from(
                next((text for role, text in turns if role is Role.USER), turns[0][1])
            ),
            settings=ReplySettings(system_prompt=prompt),
            leaf_id=nodes[-1].message.id,
            cleared_ids=(),
            created_at=now,
            updated_at=now,
        ),
        nodes=nodes,
        origin=f"{SOURCE}:{digest}",
        notes=tuple(notes),
    )


def _nodes(turns: list[tuple[Role, str]], digest: str, now: datetime) -> Iterator[Node]:
    for index, (role, text) in enumerate(turns):
        id_ = f"{digest}.{index}"
        message = Message(
            id=id_,
            conversation_id="",
            parent_id=f"{digest}.{index - 1}" if index else None,
            depth=index,
            role=role,
            text=text,
            status=Status.COMPLETE,
            created_at=now,
        )
        yield Node(message, origin=f"{SOURCE}:{id_}")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return validation.text(content).strip()
    parts = []
    for raw in map(validation.mapping, validation.sequence(content)):
        parts.append(
            validation.text(raw.get("text")).strip() or _PLACEHOLDERS.get(str(raw.get("type")), "")
        )
    return "\n\n".join(filter(None, parts))

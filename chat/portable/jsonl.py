"""One line of OpenAI-style JSONL, {"messages": [{"role", "content"}, …]}, as a conversation. Pure.

There are no ids in it, so it is known by a hash of what it says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from chat.domain import Conversation, Message, ReplySettings, Role, Status
from chat.portable import fields
from chat.portable.whole import Node, Unreadable, Whole
from chat.tree import title_from

SOURCE = "jsonl"
_INSTRUCTIONS = {"system", "developer"}
_PARTS = {
    "image_url": "[Image, not included]",
    "input_image": "[Image, not included]",
    "input_audio": "[Recording, not included]",
    "file": "[File, not included]",
}


def is_jsonl(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("messages"), list)


def from_jsonl(value: Mapping[str, Any], now: datetime) -> Whole:
    """The conversation. Raises `Unreadable`."""
    said: list[tuple[Role, str]] = []
    prompts: list[str] = []
    left = 0
    for raw in map(fields.mapping, value["messages"]):
        role, text = fields.text(raw.get("role")), _text(raw.get("content"))
        if role in _INSTRUCTIONS and text:
            prompts.append(text)
        elif role in (Role.USER, Role.ASSISTANT) and text:
            said.append((Role(role), text))
        else:
            left += 1
    if not said:
        raise Unreadable("It holds no question and no answer.")
    prompt = "\n\n".join(prompts)
    digest = hashlib.sha256(orjson.dumps([prompt, *said])).hexdigest()
    nodes = tuple(_nodes(said, digest, now))
    notes = []
    if left:
        notes.append(f"{left:,} messages of tools, or without any text, were left out.")
    return Whole(
        conversation=Conversation(
            id=digest,
            owner="",
            title=title_from(next((text for role, text in said if role is Role.USER), said[0][1])),
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


def _nodes(said: list[tuple[Role, str]], digest: str, now: datetime) -> Iterator[Node]:
    for place, (role, text) in enumerate(said):
        id_ = f"{digest}.{place}"
        message = Message(
            id=id_,
            conversation_id="",
            parent_id=f"{digest}.{place - 1}" if place else None,
            depth=place,
            role=role,
            text=text,
            status=Status.COMPLETE,
            created_at=now,
        )
        yield Node(message, origin=f"{SOURCE}:{id_}", is_counted=False)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return fields.text(content).strip()
    parts = []
    for raw in map(fields.mapping, fields.sequence(content)):
        parts.append(fields.text(raw.get("text")).strip() or _PARTS.get(str(raw.get("type")), ""))
    return "\n\n".join(filter(None, parts))

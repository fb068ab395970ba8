"""One line of OpenAI-style JSONL, {"messages": [{"role", "content"}, …]}, as a conversation. Pure.

There are no ids in it, so it is known by a hash of what it says.
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
from chat.formats.conversation import Node, PortableConversation, Unreadable
from chat.formats.import_report import left_out, role_of, unknown

SOURCE = "jsonl"
_INSTRUCTIONS = {"system", "developer"}
_TOOLS = {"tool", "function"}
_PARTS = {
    "image_url": "[Image, not included]",
    "input_image": "[Image, not included]",
    "input_audio": "[Recording, not included]",
    "file": "[File, not included]",
}


def is_jsonl(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("messages"), list)


def from_jsonl(value: Mapping[str, Any], now: datetime) -> PortableConversation:
    """The conversation. Raises `Unreadable`."""
    said: list[tuple[Role, str]] = []
    prompts: list[str] = []
    left: Counter[str] = Counter()
    roles: Counter[str] = Counter()
    for raw in value["messages"]:
        role, text = role_of(raw), _text(validation.mapping(raw).get("content"))
        if not isinstance(raw, dict):
            left["that cannot be read"] += 1
        elif role in _TOOLS:
            left["of tools"] += 1
        elif role not in (*_INSTRUCTIONS, Role.USER, Role.ASSISTANT):
            roles[role] += 1
        elif not text:
            left["without any text"] += 1
        elif role in _INSTRUCTIONS:
            prompts.append(text)
        else:
            said.append((Role(role), text))
    notes = [*(left_out(count, what) for what, count in left.items()), *unknown(roles)]
    if not said:
        raise Unreadable(" ".join(("It holds no question and no answer.", *notes)))
    prompt = "\n\n".join(prompts)
    digest = hashlib.sha256(orjson.dumps([prompt, *said])).hexdigest()
    nodes = tuple(_nodes(said, digest, now))
    return PortableConversation(
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
        return validation.text(content).strip()
    parts = []
    for raw in map(validation.mapping, validation.sequence(content)):
        parts.append(
            validation.text(raw.get("text")).strip() or _PARTS.get(str(raw.get("type")), "")
        )
    return "\n\n".join(filter(None, parts))

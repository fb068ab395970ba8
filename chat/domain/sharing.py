"""What a shared link shows: a snapshot made of an allow-list of fields, and nothing else. Pure.

Later edits do not change it. Thinking, failures, settings, ids and the owner are never part of it;
of files only name, kind and size are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chat.domain.message import Message, Role

VERSION = 1


@dataclass(frozen=True, slots=True)
class SharedMessage:
    role: Role
    text: str
    model: str  # "" for a question
    at: datetime
    files: tuple[str, ...]  # "report.pdf · 3 pages"
    is_cut: bool = False  # there would have been more


@dataclass(frozen=True, slots=True)
class Snapshot:
    title: str
    created_at: datetime  # when it was shared
    messages: tuple[SharedMessage, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """A link that was made. The link itself is only known to whoever made it."""

    id: str
    title: str
    created_at: datetime
    expires_at: datetime | None


def build_snapshot(messages: Iterable[Message]) -> dict[str, Any]:
    """The messages of a path, oldest first, as JSON."""
    return {
        "version": VERSION,
        "messages": [
            {
                "role": message.role.value,
                "text": message.text,
                "model": message.model or "",
                "is_cut": message.is_cut or message.is_live,
                "at": message.created_at.isoformat(),
                "files": [
                    " · ".join(filter(None, (file.name, file.details)))
                    for file in message.attachments
                ],
            }
            for message in messages
            if not message.is_deleted and (message.text or message.attachments)
        ],
    }


def parse_snapshot(title: str, created_at: datetime, value: dict[str, Any]) -> Snapshot:
    return Snapshot(
        title,
        created_at,
        tuple(
            SharedMessage(
                role=Role(each["role"]),
                text=each["text"],
                model=each["model"],
                at=datetime.fromisoformat(each["at"]),
                files=tuple(each["files"]),
                is_cut=each.get("is_cut", False),  # the first snapshots do not tell
            )
            for each in value["messages"]
        ),
    )

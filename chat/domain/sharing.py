"""Snapshots for shared links, built from an allow-list of fields. Pure.

Later edits do not change a snapshot. It never contains reasoning, failures, settings, ids or the
owner. Of files it contains only the name and the details.
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
    is_cut: bool = False  # True if the answer did not finish


@dataclass(frozen=True, slots=True)
class Snapshot:
    title: str
    created_at: datetime  # time of sharing
    messages: tuple[SharedMessage, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """A shared link as listed to its owner. The secret in the link is not stored."""

    id: str
    title: str
    created_at: datetime
    expires_at: datetime | None


def build_snapshot(messages: Iterable[Message]) -> dict[str, Any]:
    """Return a path, given oldest first, as a JSON value."""
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
    """Return the snapshot stored as the JSON value `value`."""
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
                is_cut=each.get("is_cut", False),  # missing in the first snapshots
            )
            for each in value["messages"]
        ),
    )

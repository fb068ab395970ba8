"""A conversation and the settings its next reply is requested with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chat.domain.message import Message


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """What the next reply is asked with. `None` means: as the instance is configured."""

    model: str | None = None  # "provider/model id"
    temperature: float | None = None  # 0.0 to 2.0
    system_prompt: str = ""
    max_reply_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    owner: str
    title: str
    settings: ReplySettings
    leaf_id: str | None
    cleared_ids: tuple[str, ...]  # context begins afresh after each of these messages, oldest first
    created_at: datetime
    updated_at: datetime
    is_running: bool = False
    is_pinned: bool = False


def new_conversation(
    owner: str, title: str, settings: ReplySettings, answer: Message
) -> Conversation:
    """The conversation that has just begun with `answer`."""
    return Conversation(
        id=answer.conversation_id,
        owner=owner,
        title=title,
        settings=settings,
        leaf_id=answer.id,
        cleared_ids=(),
        created_at=answer.created_at,
        updated_at=answer.created_at,
        is_running=True,
    )

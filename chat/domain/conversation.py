"""A conversation and the settings of its next reply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chat.domain.message import Message


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """Settings of the next reply. None means the default of the instance."""

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
    cleared_ids: tuple[str, ...]  # the context starts after each of these messages; oldest first
    created_at: datetime
    updated_at: datetime
    is_running: bool = False
    is_pinned: bool = False


def new_conversation(
    owner: str, title: str, settings: ReplySettings, answer: Message
) -> Conversation:
    """Return a new conversation with `answer`, still running, as its first answer."""
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

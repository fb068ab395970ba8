"""Build the step of a path from a whole message."""

from __future__ import annotations

from chat.domain.context_window import PathStep
from chat.domain.message import Message


def path_step(message: Message) -> PathStep:
    files = message.attachments
    return PathStep(
        id=message.id,
        parent_id=message.parent_id,
        depth=message.depth,
        role=message.role,
        text=message.text,
        tokens=message.tokens,
        is_exact=message.is_exact and all(file.is_exact for file in files),
        is_live=message.is_live,
        is_deleted=message.is_deleted,
        files=len(files),
        file_tokens=sum(file.tokens for file in files),
    )

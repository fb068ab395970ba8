"""Messages, their status, token usage, failures and versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chat.domain.attachment import Attachment, File


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


class Status(StrEnum):
    """Where a message stands. A question is always COMPLETE."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one provider call; `is_reported` when the provider counted them itself."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_reported: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an answer failed, as it was recorded: an error's code, its sentence, redacted details."""

    code: str
    sentence: str
    details: str = ""
    retry_at: datetime | None = None  # when the provider said to come back


@dataclass(frozen=True, slots=True)
class Message:
    """One question or one answer. `depth` counts from 0 at the first message of its path."""

    id: str
    conversation_id: str
    parent_id: str | None
    depth: int
    role: Role
    text: str
    status: Status
    created_at: datetime
    tokens: int = 0  # of `text`, counted once, when it was stored
    is_exact: bool = False  # whether `tokens` was counted with the model's own ranks
    reasoning: str = ""
    reasoning_ms: int | None = None
    finish_reason: str | None = None
    model: str | None = None
    usage: Usage | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None
    failure: Failure | None = None
    replaces_id: str | None = None  # the leaf in view before this answer was asked for again
    is_deleted: bool = False
    attachments: tuple[Attachment, ...] = ()

    @property
    def is_live(self) -> bool:
        return self.status is Status.STREAMING

    @property
    def is_cut(self) -> bool:
        """Whether there is more to come if the person asks for it."""
        if self.role is not Role.ASSISTANT or not self.text.strip():
            return False
        unfinished = {Status.STOPPED, Status.INTERRUPTED, Status.FAILED}
        return self.status in unfinished or self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions beside one message: its place (from 1), how many, and its neighbours' ids."""

    place: int = 1
    count: int = 1
    previous_id: str | None = None
    next_id: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What a person sends. `may_truncate`: of a file that does not fit, send the beginning."""

    text: str
    files: tuple[File, ...] = ()
    may_truncate: bool = False

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
    """The state of a message. A question is always COMPLETE."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one provider call. `is_reported` is True if the provider counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_reported: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """The recorded error of an answer: its code, its sentence and redacted details."""

    code: str
    sentence: str
    details: str = ""
    retry_at: datetime | None = None  # set if the provider named a time


@dataclass(frozen=True, slots=True)
class Message:
    """A question or an answer. The first message of a path has depth 0."""

    id: str
    conversation_id: str
    parent_id: str | None
    depth: int
    role: Role
    text: str
    status: Status
    created_at: datetime
    tokens: int = 0  # of `text`, counted when it was stored
    is_exact: bool = False  # True if `tokens` was counted with a tokenizer, not estimated
    reasoning: str = ""
    reasoning_ms: int | None = None
    finish_reason: str | None = None
    model: str | None = None
    usage: Usage | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None
    failure: Failure | None = None
    replaces_id: str | None = None  # the leaf that was shown before this retry
    is_deleted: bool = False
    attachments: tuple[Attachment, ...] = ()

    @property
    def is_live(self) -> bool:
        return self.status is Status.STREAMING

    @property
    def is_cut(self) -> bool:
        """True if the answer has text but did not finish, so that it can be continued."""
        if self.role is not Role.ASSISTANT or not self.text.strip():
            return False
        unfinished = {Status.STOPPED, Status.INTERRUPTED, Status.FAILED}
        return self.status in unfinished or self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of a message: its position from 1, their count, and the adjacent ids."""

    position: int = 1
    count: int = 1
    previous_id: str | None = None
    next_id: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A message to send. `may_truncate` allows sending only the beginning of a file."""

    text: str
    files: tuple[File, ...] = ()
    may_truncate: bool = False

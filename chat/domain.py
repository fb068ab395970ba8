"""The words of Parley as frozen values: conversation, message, version, usage, settings.

Nothing here knows a database, a provider or a page. Times are aware UTC.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from secrets import token_hex

OWN = "own-"  # begins the ref of a model that is asked with a person's own key


def is_paid_here(model: str) -> bool:
    """Whether a call costs whoever runs Parley anything: a person's own key is theirs to pay."""
    return not model.startswith(OWN)


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
class Person:
    """Who looks: `owner` is what all they make is kept under; nobody else's is theirs to see."""

    owner: str
    email: str = ""
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one provider call; `is_reported` when the provider counted them itself."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_reported: bool = False


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an answer failed, as it was recorded: an error's code, its sentence, redacted details."""

    code: str
    sentence: str
    details: str = ""
    retry_at: datetime | None = None  # when the provider said to come back


class FileKind(StrEnum):
    IMAGE = "image"  # sent as a picture
    TABLE = "table"  # sent as text, shown as a table
    DOCUMENT = "document"  # sent as text


@dataclass(frozen=True, slots=True)
class File:
    """What a person attaches: bytes under the name their browser gave, both not to be trusted."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FilePrice:
    """What a file would cost if it were sent now, or the `problem` that keeps it back."""

    name: str
    size: int  # bytes
    kind: FileKind | None = None
    details: str = ""
    tokens: int = 0
    is_exact: bool = False
    problem: str = ""
    is_too_long: bool = False  # only its beginning would fit
    is_audio: bool = False  # it is turned into text for the box instead


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as it is kept with a message; its contents are stored by their SHA-256."""

    id: str
    message_id: str
    name: str  # cleaned: one line, no folders
    kind: FileKind
    media_type: str
    size: int  # bytes of the file as it was attached
    details: str  # "3 pages", "1,024 × 768"
    tokens: int  # what it costs to send, its wrapping included
    is_exact: bool
    sha256: str  # of what is shown and handed back
    text_sha256: str | None = None  # of what is sent, for anything but an image
    preview_sha256: str | None = None  # of a table's first rows
    is_partial: bool = False  # only its beginning is sent


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
    """What a person sends. `may_cut`: of a file that does not fit, send the beginning."""

    text: str
    files: tuple[File, ...] = ()
    may_cut: bool = False


def storable(text: str) -> str:
    """`text` without what a database may refuse: NUL characters and lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode("utf-8")


_last_id = 0
_id_lock = threading.Lock()


def new_id() -> str:
    """A fresh id of 30 hexadecimal digits that sorts by the time it was made (microseconds).

    Later ids of one process are always greater, whatever the clock does.
    """
    global _last_id
    with _id_lock:
        _last_id = max(_last_id + 1, time.time_ns() // 1000)
        return f"{_last_id:014x}{token_hex(8)}"

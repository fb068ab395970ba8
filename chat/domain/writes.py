"""Values that the store writes: a new question, a new answer, and the outcome of a reply."""

from __future__ import annotations

from dataclasses import dataclass, field

from chat.domain.attachment import Attachment, NewAttachment
from chat.domain.calls import EndedCall, NewCall
from chat.domain.ids import new_id
from chat.domain.message import Failure, Status, Usage


@dataclass(frozen=True, slots=True)
class NewQuestion:
    text: str
    tokens: int
    is_exact: bool
    id: str = field(default_factory=new_id)  # created before the answer's, because ids sort by time
    new_files: tuple[NewAttachment, ...] = ()
    kept_files: tuple[Attachment, ...] = ()  # attachments of the previous version


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An empty reply to insert. Its id is known before it is stored.

    `call` is recorded in the ledger in the same transaction.
    """

    id: str
    model: str
    worker: str
    call: NewCall | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a reply, stored in one transaction. Times are milliseconds from its start."""

    status: Status
    text: str
    reasoning: str = ""
    reasoning_ms: int | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None
    failure: Failure | None = None
    tokens: int = 0
    is_exact: bool = False
    call: EndedCall | None = None  # recorded in the ledger

"""Provider calls as the ledger records them: reserved, measured, ended.

Money is in billionths of a dollar; None means that the price is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from chat.domain.ids import new_id
from chat.domain.limits import LimitRules
from chat.domain.message import Status, Usage


class CallKind(StrEnum):
    REPLY = "reply"
    TRANSCRIPTION = "transcription"


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call to be made. Limits count `reserved_tokens` and `reserved_nanos` until it has ended."""

    owner: str
    model: str  # "provider/model id"
    kind: CallKind
    worker: str
    answer_id: str | None = None
    prompt_tokens: int | None = None  # an estimate, if limits need one
    reserved_tokens: int = 0
    reserved_nanos: int = 0
    rules: LimitRules | None = None  # None: not limited
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """Measurements of one provider call, from which its cost and metrics are computed.

    `text` and `reasoning` hold the output of this call alone: an answer that was continued has
    more. `sent_tokens` leaves out the system prompt.
    """

    status: Status
    text: str = ""
    reasoning: str = ""
    usage: Usage | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None
    error_code: str | None = None
    finish_reason: str | None = None
    sent_tokens: int = 0
    system_prompt: str = ""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """The result of a call. Limits count at least `held_tokens` and `held_nanos` from then on.

    Held amounts cover output that a provider may bill without reporting it.
    """

    id: str
    status: Status
    prompt_tokens: int
    completion_tokens: int
    is_reported: bool  # counted by the provider; otherwise estimated
    cost_nanos: int | None
    first_token_ms: int | None = None
    total_ms: int | None = None
    error_code: str | None = None
    held_tokens: int = 0
    held_nanos: int = 0

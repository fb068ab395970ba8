"""One call of a provider as the ledger sees it: begun, and ended. It holds no text.

Money is in billionths of a dollar; None: nobody knows the price.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from chat.domain.ids import new_id
from chat.domain.limits import LimitRules
from chat.domain.message import Status


class CallKind(StrEnum):
    REPLY = "reply"
    TRANSCRIPTION = "transcription"


@dataclass(frozen=True, slots=True)
class NewCall:
    """`reserved_…` is the most it may take: limits count it until it has ended."""

    owner: str
    model: str  # "provider/model id"
    kind: CallKind
    worker: str
    answer_id: str | None = None
    prompt_tokens: int | None = None  # as far as that is known beforehand
    reserved_tokens: int = 0
    reserved_nanos: int = 0
    rules: LimitRules | None = None  # None: it is not limited
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class EndedCall:
    """`held_…` is what limits go on counting at least: what may be billed though nobody told."""

    id: str
    status: Status
    prompt_tokens: int
    completion_tokens: int
    is_reported: bool  # by the provider, or else estimated
    cost_nanos: int | None
    first_token_ms: int | None = None
    total_ms: int | None = None
    error_code: str | None = None
    held_tokens: int = 0
    held_nanos: int = 0

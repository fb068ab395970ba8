"""Limits, prices and the ledger of provider calls: reservations before, costs afterwards.

One instance per process, so that temporary conversations count as well.
"""

from __future__ import annotations

import math

from chat import errors
from chat.billing.kill_switch import KillSwitch
from chat.billing.prices import Prices
from chat.billing.rate_limiter import RateLimiter
from chat.config.settings import Settings
from chat.domain.calls import CallKind, CallRecord, EndedCall, NewCall
from chat.domain.limits import NANOS_PER_DOLLAR, LimitRules, Limits
from chat.domain.message import Status
from chat.domain.person import is_billed_to_operator
from chat.domain.token_estimate import TOKENS_PER_MESSAGE
from chat.domain.usage import UsageReport
from chat.providers.catalogue import GUIDE
from chat.providers.hidden_reasoning import hides_reasoning
from chat.providers.tokenizer import Tokenizer
from chat.store import Store

TOKENS_PER_MINUTE = 1_000  # of a recording; providers charge by the minute, or about as many
KEY_CHECKS_AT_ONCE, KEY_CHECKS_PER_MINUTE = 3, 10  # of all users together


class Billing:
    def __init__(
        self, settings: Settings, store: Store, prices: Prices, kill_switch: KillSwitch
    ) -> None:
        self.rules: LimitRules = rules_of(settings)
        self.ledger, self._usage = store.ledger, store.usage
        self.prices, self.kill_switch = prices, kill_switch
        self.key_checks = RateLimiter(KEY_CHECKS_AT_ONCE, KEY_CHECKS_PER_MINUTE)

    def report(self, owner: str | None, days: int) -> UsageReport:
        """Return the usage of one owner, or of all users by owner."""
        return self._usage.report(owner, days, self.ledger.clock(), by_owner=owner is None)

    def reply(
        self,
        owner: str,
        model: str,
        worker: str,
        answer_id: str,
        prompt_tokens: int | None,
        max_tokens: int,
        label: str,
    ) -> NewCall:
        """Return the reservation for a reply. Raises `PriceUnknown`."""
        if _is_guide(model):
            return NewCall(owner, model, CallKind.REPLY, worker, answer_id, prompt_tokens)
        tokens = nanos = 0
        if not is_billed_to_operator(model):
            rules = self.rules.without_costs
            return NewCall(
                owner, model, CallKind.REPLY, worker, answer_id, prompt_tokens, rules=rules
            )
        if self.rules.limits_tokens:
            tokens = (prompt_tokens or 0) + max_tokens
        if self.rules.limits_money:
            nanos = self._most(self.prices.cost(model, prompt_tokens or 0, max_tokens), label)
        return NewCall(
            owner,
            model,
            CallKind.REPLY,
            worker,
            answer_id,
            prompt_tokens,
            reserved_tokens=tokens,
            reserved_nanos=nanos,
            rules=self.rules,
        )

    def transcription(self, owner: str, model: str, worker: str, seconds: float) -> NewCall:
        """Return the reservation for a transcription. Raises `PriceUnknown`."""
        nanos = 0
        if self.rules.limits_money:
            nanos = self._most(self.prices.configured(model, 0, _audio_tokens(seconds)), model)
        return NewCall(
            owner, model, CallKind.TRANSCRIPTION, worker, reserved_nanos=nanos, rules=self.rules
        )

    @staticmethod
    def _most(nanos: int | None, label: str) -> int:
        if nanos is None:
            raise errors.PriceUnknown(label)
        return nanos

    def ended(self, call: NewCall, record: CallRecord, counter: Tokenizer) -> EndedCall:
        """Return the result of a reply: as the provider reported it, otherwise estimated.

        Limits keep counting the reservation of a reply that may have cost more than the estimate.
        """
        is_held = False
        if record.usage is not None:
            prompt, completion = record.usage.prompt_tokens, record.usage.completion_tokens
        elif self._is_unbilled(record):
            prompt = completion = 0
        else:
            prompt = sent_tokens(record.sent_tokens, record.system_prompt, counter)
            completion = counter.count(record.text).tokens + counter.count(record.reasoning).tokens
            is_held = record.sent_tokens > 0 and not _is_measured(call.model, record)
        return EndedCall(
            call.id,
            record.status,
            prompt,
            completion,
            is_reported=record.usage is not None and record.usage.is_reported,
            cost_nanos=self.prices.cost(call.model, prompt, completion),
            first_token_ms=record.first_token_ms,
            total_ms=record.total_ms,
            error_code=record.error_code,
            held_tokens=call.reserved_tokens if is_held else 0,
            held_nanos=call.reserved_nanos if is_held else 0,
        )

    @staticmethod
    def _is_unbilled(record: CallRecord) -> bool:
        code, has_output = record.error_code, bool(record.text or record.reasoning)
        return code is not None and not errors.is_billed(code) and not has_output

    def transcribed(
        self,
        call: NewCall,
        status: Status,
        tokens: int,
        seconds: float,
        total_ms: int,
        error_code: str | None,
    ) -> EndedCall:
        """Return the result of a transcription; `tokens` are those of its text.

        Silence costs as much as speech, so at least the length is charged unless the request was
        refused.
        """
        is_refused = error_code is not None and not errors.is_billed(error_code)
        billed = 0 if is_refused else max(tokens, _audio_tokens(seconds))
        return EndedCall(
            call.id,
            status,
            0,
            tokens,
            is_reported=False,
            cost_nanos=self.prices.configured(call.model, 0, billed),
            total_ms=total_ms,
            error_code=error_code,
        )


def sent_tokens(tokens: int, system_prompt: str, counter: Tokenizer) -> int:
    """Return an estimate of a prompt's size: `tokens` of messages and the system prompt."""
    if not system_prompt:
        return tokens
    return tokens + counter.count(system_prompt).tokens + TOKENS_PER_MESSAGE


def _audio_tokens(seconds: float) -> int:
    """Return the tokens by which a recording is charged: 1,000 for each minute that was begun."""
    return TOKENS_PER_MINUTE * max(1, math.ceil(seconds / 60))


def _is_measured(model: str, record: CallRecord) -> bool:
    """Return whether the cost of a reply without reported usage follows from its text.

    Only if the provider ended the reply, before its maximum length, and shows all reasoning: a
    reply that was cut off may have cost hidden reasoning, and text that was not received.
    """
    is_ended = record.status is Status.COMPLETE and record.finish_reason not in (None, "length")
    return is_ended and not hides_reasoning(model)


def _is_guide(model: str) -> bool:
    return model.partition("/")[0] == GUIDE


def rules_of(settings: Settings) -> LimitRules:
    """Return the limits that `settings` configure."""
    return LimitRules(
        _limits(settings, "limit_"),
        _limits(settings, "limit_instance_"),
        settings.limit_request_tokens,
    )


def _limits(settings: Settings, prefix: str) -> Limits:
    dollars = getattr(settings, f"{prefix}dollars_per_day")
    return Limits(
        getattr(settings, f"{prefix}messages_per_minute"),
        getattr(settings, f"{prefix}messages_per_day"),
        getattr(settings, f"{prefix}tokens_per_day"),
        round(dollars * NANOS_PER_DOLLAR) if dollars is not None else None,
        getattr(settings, f"{prefix}concurrent_replies"),
    )

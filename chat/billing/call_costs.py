"""What a call may take before it is made, and what it took: the rules, the prices, the ledger.

One for all services of a process: what happens in a temporary conversation counts as well.
"""

from __future__ import annotations

from chat import errors
from chat.billing.kill_switch import Switches
from chat.billing.prices import Prices
from chat.billing.rate_limiter import Pace
from chat.config.settings import Settings
from chat.domain.calls import CallKind, EndedCall, NewCall
from chat.domain.limits import NANOS_PER_DOLLAR, LimitRules, Limits
from chat.domain.message import Status
from chat.domain.person import is_billed_to_operator
from chat.domain.token_estimate import TOKENS_PER_MESSAGE
from chat.domain.usage import UsageReport
from chat.providers.catalogue import GUIDE
from chat.providers.tokenizer import Tokenizer
from chat.replies.buffer import Generation
from chat.store import Store

KEYS_AT_ONCE, KEYS_A_MINUTE = 3, 10  # that are tried, of all people together


class Billing:
    def __init__(
        self, settings: Settings, store: Store, prices: Prices, switches: Switches
    ) -> None:
        self.rules: LimitRules = rules_of(settings)
        self.ledger, self._usage = store.ledger, store.usage
        self.prices, self.switches = prices, switches
        self.key_looks = Pace(KEYS_AT_ONCE, KEYS_A_MINUTE, self.ledger.clock)

    def report(self, owner: str | None, days: int) -> UsageReport:
        """What an owner used, or everyone by owner."""
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
        """A reply that is to be asked for. Raises `PriceUnknown`."""
        if _is_guide(model):
            return NewCall(owner, model, CallKind.REPLY, worker, answer_id, prompt_tokens)
        tokens = nanos = 0
        if not is_billed_to_operator(model):
            rules = self.rules.of_messages
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

    def transcription(self, owner: str, model: str, worker: str) -> NewCall:
        """A recording that is to be transcribed. Raises `PriceUnknown`."""
        nanos = 0
        if self.rules.limits_money:
            nanos = self._most(self.prices.configured(model, 0, 1_000), model)
        return NewCall(
            owner, model, CallKind.TRANSCRIPTION, worker, reserved_nanos=nanos, rules=self.rules
        )

    @staticmethod
    def _most(nanos: int | None, label: str) -> int:
        if nanos is None:
            raise errors.PriceUnknown(label)
        return nanos

    def ended(self, call: NewCall, generation: Generation, counter: Tokenizer) -> EndedCall:
        """What a reply took: as the provider told, or else as it can be counted."""
        text, reasoning = generation.own_text()
        failure = generation.failure
        usage = generation.own_usage
        is_held = False
        if usage is not None:
            prompt, completion = usage.prompt_tokens, usage.completion_tokens
        elif failure and not errors.is_billed(failure.code) and not (text or reasoning):
            prompt = completion = 0
        else:
            prompt = sent_tokens(generation, counter)
            completion = counter.count(text).tokens + counter.count(reasoning).tokens
            # Before the first word a model may have thought for long, unseen or told in short.
            has_nothing = not text and generation.status is not Status.COMPLETE
            is_held = has_nothing and generation.sent_tokens > 0  # it was asked for
        return EndedCall(
            call.id,
            generation.status,
            prompt,
            completion,
            is_reported=usage is not None and usage.is_reported,
            cost_nanos=self.prices.cost(call.model, prompt, completion),
            first_token_ms=generation.own_first_token_ms,
            total_ms=generation.own_total_ms,
            error_code=failure.code if failure else None,
            held_tokens=call.reserved_tokens if is_held else 0,
            held_nanos=call.reserved_nanos if is_held else 0,
        )

    def transcribed(
        self, call: NewCall, status: Status, tokens: int, total_ms: int, error_code: str | None
    ) -> EndedCall:
        return EndedCall(
            call.id,
            status,
            0,
            tokens,
            is_reported=False,
            cost_nanos=self.prices.configured(call.model, 0, tokens),
            total_ms=total_ms,
            error_code=error_code,
            held_nanos=call.reserved_nanos if status is Status.STOPPED else 0,
        )


def sent_tokens(generation: Generation, counter: Tokenizer) -> int:
    """About how many tokens a reply was asked for with."""
    system = generation.system_prompt
    wrapped = counter.count(system).tokens + TOKENS_PER_MESSAGE if system else 0
    return generation.sent_tokens + wrapped


def _is_guide(model: str) -> bool:
    return model.partition("/")[0] == GUIDE


def rules_of(settings: Settings) -> LimitRules:
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

"""Usage limits per owner and for the whole instance, and the wording of waits and amounts.

Pure: usage is counted by the store. A day is the last 24 hours, so that the time when a request
becomes possible again can be computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NANOS_PER_DOLLAR = 1_000_000_000  # amounts are in billionths of a dollar


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one owner or of the instance. None means no limit."""

    messages_per_minute: int | None = None
    messages_per_day: int | None = None
    tokens_per_day: int | None = None
    nanos_per_day: int | None = None
    concurrent_replies: int | None = None

    @property
    def is_set(self) -> bool:
        return self != Limits()

    @property
    def without_costs(self) -> Limits:
        """The limits for calls that the operator does not pay for."""
        return replace(self, tokens_per_day=None, nanos_per_day=None)


@dataclass(frozen=True, slots=True)
class LimitRules:
    """All limits that apply to a call."""

    per_owner: Limits
    instance: Limits
    request_tokens: int | None = None  # of one request, without its reply

    @property
    def is_set(self) -> bool:
        return self.per_owner.is_set or self.instance.is_set or self.request_tokens is not None

    @property
    def without_costs(self) -> LimitRules:
        """The limits for calls that the operator does not pay for."""
        return LimitRules(
            self.per_owner.without_costs, self.instance.without_costs, self.request_tokens
        )

    @property
    def limits_tokens(self) -> bool:
        """True if a request must be counted before it is sent."""
        sizes = (self.per_owner.tokens_per_day, self.instance.tokens_per_day, self.request_tokens)
        return self.limits_money or any(size is not None for size in sizes)

    @property
    def limits_replies(self) -> bool:
        """True if the number of running replies is limited."""
        return bool(self.per_owner.concurrent_replies or self.instance.concurrent_replies)

    @property
    def limits_money(self) -> bool:
        return self.per_owner.nanos_per_day is not None or self.instance.nanos_per_day is not None


def format_wait(wait: timedelta) -> str:
    """Return a wait in words, such as "in about 3 minutes", rounded up."""
    seconds = max(1, math.ceil(wait.total_seconds()))
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds > size:
            return _about(math.ceil(seconds / size), unit)
    return _about(seconds, "second")


def _about(count: int, unit: str) -> str:
    return f"in about {count} {unit}{'' if count == 1 else 's'}"


def format_dollars(nanos: int) -> str:
    """Return an amount in dollars; small amounts have two significant digits."""
    value = nanos / NANOS_PER_DOLLAR
    return f"{value:,.2f}" if value >= 0.1 or not value else f"{value:.2g}"

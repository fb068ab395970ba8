"""What one visitor may ask for, and all of them together: the numbers, and how long until again.

Pure: it counts nothing and reads no clock. A day is the last 24 hours, so that the moment when
something is possible again can be told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NANOS_PER_DOLLAR = 1_000_000_000  # money is counted in billionths of a dollar


@dataclass(frozen=True, slots=True)
class Limits:
    """Whose they are is known by whoever holds them; None: no limit."""

    messages_per_minute: int | None = None
    messages_per_day: int | None = None
    tokens_per_day: int | None = None
    nanos_per_day: int | None = None
    concurrent_replies: int | None = None

    @property
    def is_set(self) -> bool:
        return self != Limits()

    @property
    def of_messages(self) -> Limits:
        """What holds for calls that cost nothing here."""
        return replace(self, tokens_per_day=None, nanos_per_day=None)


@dataclass(frozen=True, slots=True)
class LimitRules:
    own: Limits
    all: Limits
    request_tokens: int | None = None

    @property
    def is_set(self) -> bool:
        return self.own.is_set or self.all.is_set or self.request_tokens is not None

    @property
    def of_messages(self) -> LimitRules:
        """What holds for calls that cost nothing here."""
        return LimitRules(self.own.of_messages, self.all.of_messages, self.request_tokens)

    @property
    def limits_tokens(self) -> bool:
        """Whether somebody must know the size of a request before it is sent."""
        sizes = (self.own.tokens_per_day, self.all.tokens_per_day, self.request_tokens)
        return self.limits_money or any(size is not None for size in sizes)

    @property
    def limits_replies(self) -> bool:
        """Whether it matters how many replies are being written."""
        return bool(self.own.concurrent_replies or self.all.concurrent_replies)

    @property
    def limits_money(self) -> bool:
        return self.own.nanos_per_day is not None or self.all.nanos_per_day is not None


def format_wait(wait: timedelta) -> str:
    """ "in about 3 minutes", never too early."""
    seconds = max(1, math.ceil(wait.total_seconds()))
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds > size:
            return _about(math.ceil(seconds / size), unit)
    return _about(seconds, "second")


def _about(count: int, unit: str) -> str:
    return f"in about {count} {unit}{'' if count == 1 else 's'}"


def format_dollars(nanos: int) -> str:
    """An amount as people read it, with as many digits as a small one needs."""
    value = nanos / NANOS_PER_DOLLAR
    return f"{value:,.2f}" if value >= 0.1 or not value else f"{value:.2g}"

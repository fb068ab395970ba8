"""What was used, by day and model: the figures of the usage page. No text, no names of people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class UsageLine:
    """The calls of one day, model and (in the report of everyone) owner; or a sum of such lines.

    Tokens and cost are those of calls that have ended. `estimated_tokens` are part of the others.
    """

    day: date | None = None
    model: str = ""
    owner: str = ""
    calls: int = 0  # every reply begun, every recording transcribed
    running: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated_tokens: int = 0
    cost_usd: Decimal = Decimal(0)  # of the calls whose price is known
    unpriced: int = 0  # calls whose price nobody knows
    written_tokens: int = 0  # of replies whose pace is known …
    written_ms: int = 0  # … and the time they took
    first_token_ms: int | None = None  # the median
    p90_first_token_ms: int | None = None  # nine in ten came sooner

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def tokens_per_second(self) -> float | None:
        return self.written_tokens / self.written_ms * 1000 if self.written_ms else None


@dataclass(frozen=True, slots=True)
class UsageReport:
    days: int
    lines: tuple[UsageLine, ...]  # the newest day first
    total: UsageLine
    errors: tuple[tuple[str, int], ...] = ()  # an error's code, how often; the most frequent first


def median_and_p90(times: Iterable[int]) -> tuple[int | None, int | None]:
    """The middle one, and the one that nine in ten stay below or meet."""
    sorted_times = sorted(times)
    if not sorted_times:
        return None, None
    last = len(sorted_times) - 1
    return sorted_times[last // 2], sorted_times[-(-last * 9 // 10)]

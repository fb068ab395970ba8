"""Usage by day and model, for the usage page. Contains no message text and no names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class UsageLine:
    """Calls of one day and model, and of one owner in the report of all owners; or a sum of those.

    Tokens and cost are those of ended calls. `estimated_tokens` are included in the other counts;
    `held_tokens` are not: limits count them for replies that may have cost more than the estimate.
    """

    day: date | None = None
    model: str = ""
    owner: str = ""
    calls: int = 0  # replies and transcriptions
    running: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated_tokens: int = 0
    held_tokens: int = 0
    cost_usd: Decimal = Decimal(0)  # of calls with a known price
    unpriced: int = 0  # calls with an unknown price
    timed_tokens: int = 0  # of replies with a known duration
    timed_ms: int = 0  # the duration of these replies
    first_token_ms: int | None = None  # median
    p90_first_token_ms: int | None = None  # 90th percentile

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def tokens_per_second(self) -> float | None:
        return self.timed_tokens / self.timed_ms * 1000 if self.timed_ms else None


@dataclass(frozen=True, slots=True)
class UsageReport:
    days: int
    lines: tuple[UsageLine, ...]  # newest day first
    total: UsageLine
    errors: tuple[tuple[str, int], ...] = ()  # (error code, count), most frequent first


def median_and_p90(times: Iterable[int]) -> tuple[int | None, int | None]:
    """Return the median and the 90th percentile, or None for no times."""
    sorted_times = sorted(times)
    if not sorted_times:
        return None, None
    last = len(sorted_times) - 1
    return sorted_times[last // 2], sorted_times[-(-last * 9 // 10)]

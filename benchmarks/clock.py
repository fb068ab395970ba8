"""One clock for all: CLOCK_MONOTONIC in milliseconds, and what a page's clock is in it."""

from __future__ import annotations

import time


def now_ms() -> float:
    return time.monotonic_ns() / 1e6


def from_wall(wall_ms: float) -> float:
    """A page's `performance.timeOrigin + performance.now()`; same machine, so the same clock."""
    return wall_ms - time.time_ns() / 1e6 + now_ms()

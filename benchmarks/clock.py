"""Shared clock: CLOCK_MONOTONIC in milliseconds, and the conversion from a page's clock."""

from __future__ import annotations

import time


def now_ms() -> float:
    return time.monotonic_ns() / 1e6


def from_wall(wall_ms: float) -> float:
    """Convert a page's `performance.timeOrigin + performance.now()` to the monotonic clock.

    Both run on the same machine and therefore share the system clock.
    """
    return wall_ms - time.time_ns() / 1e6 + now_ms()

"""Slow down people without access when they send more than the process can spare.

Each message runs a page script, and each connection starts a session. All strangers together get a
number of these per second and wait in order for their turn; others do not wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PER_SECOND = 20.0
BURST = 40  # that need not wait after a quiet time
_MAX_WAIT = 20.0  # seconds


class StrangerPace:
    """A token bucket with reservations in advance. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 0.0

    def reserve(self) -> float | None:
        """Reserve the next turn; return the seconds until then, or None if there are too many."""
        now = self._clock()
        ready = max(self._next, now - BURST / PER_SECOND)
        if ready - now > _MAX_WAIT:
            return None
        self._next = ready + 1 / PER_SECOND
        return max(0.0, self._next - now)

"""Process-wide rate limiter for checks of user-supplied API keys.

Key checks call a provider before any limit of a user applies, so they are bounded for all users
together: a number at once and a number a minute.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from chat.errors import KeyChecksBusy

WINDOW = 60.0  # seconds


class RateLimiter:
    """Sliding-window log with a bound on concurrency. Uses a monotonic clock."""

    def __init__(
        self, at_once: int, per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._at_once, self._per_minute, self._clock = at_once, per_minute, clock
        self._started: deque[float] = deque()
        self._running = 0
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Begin a check; pair with `release`. Raises `KeyChecksBusy` when a bound is reached."""
        with self._lock:
            now = self._clock()
            while self._started and now - self._started[0] >= WINDOW:
                self._started.popleft()
            if self._running >= self._at_once or len(self._started) >= self._per_minute:
                raise KeyChecksBusy
            self._started.append(now)
            self._running += 1

    def release(self) -> None:
        with self._lock:
            self._running -= 1

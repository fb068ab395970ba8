"""How often keys may be tried, which no limit of a person covers: so many at once and a minute.

It knows neither the keys nor who asks.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime

from chat.domain.limits import MINUTE
from chat.errors import KeyChecksBusy


class Pace:
    def __init__(self, at_once: int, a_minute: int, clock: Callable[[], datetime]) -> None:
        self._at_once, self._a_minute, self._clock = at_once, a_minute, clock
        self._begun: deque[datetime] = deque()
        self._running = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Raises `KeyChecksBusy`. What has begun must `end`."""
        with self._lock:
            now = self._clock()
            while self._begun and now - self._begun[0] >= MINUTE:
                self._begun.popleft()
            if self._running >= self._at_once or len(self._begun) >= self._a_minute:
                raise KeyChecksBusy
            self._begun.append(now)
            self._running += 1

    def end(self) -> None:
        with self._lock:
            self._running -= 1

"""What was read lately, so that asking for a price and then sending reads a file once.

Bounded by bytes, the oldest goes first; safe to share between threads. It knows nothing of files.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_BYTES = 64_000_000


class Recent(Generic[T]):
    """`worth` tells about how many bytes keeping something takes, and for how many seconds."""

    def __init__(
        self,
        worth: Callable[[T], tuple[int, float]],
        *,
        most_bytes: int = _MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worth, self._most_bytes, self._clock = worth, most_bytes, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[T, int, float]] = OrderedDict()
        self._bytes = 0
        self._running: dict[Hashable, Future[T]] = {}

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """What is kept under `key`, or else what `read` gives; several threads at once read once.

        Raises what `read` raises, and then keeps nothing.
        """
        with self._lock:
            if key in self._kept:
                value, size, until = self._kept.pop(key)
                if self._clock() <= until:
                    self._kept[key] = value, size, until  # now the youngest
                    return value
                self._bytes -= size
            future = self._running.get(key)
            is_mine = future is None
            if future is None:
                future = self._running[key] = Future()
        if is_mine:
            self._fill(key, future, read)
        return future.result()

    def _fill(self, key: Hashable, future: Future[T], read: Callable[[], T]) -> None:
        try:
            value = read()
        except BaseException as error:
            with self._lock:
                del self._running[key]
            future.set_exception(error)
            return
        size, seconds = self._worth(value)
        with self._lock:
            del self._running[key]
            self._kept[key] = value, size, self._clock() + seconds
            self._bytes += size
            while self._bytes > self._most_bytes:
                _, (_, gone, _) = self._kept.popitem(last=False)
                self._bytes -= gone
        future.set_result(value)

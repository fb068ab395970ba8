"""What a service does in the background: nobody waits for it but the service's end."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable


class Chores:
    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def begin(self, work: Callable[[], object]) -> None:
        here = contextvars.copy_context()  # its log lines belong to the request that began it
        chore = threading.Thread(target=here.run, args=(work,), name="parley-chore", daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(chore)
            chore.start()

    def tell(self) -> None:
        """The service is about to close."""
        self._closing.set()

    def wait_for_close(self, seconds: float) -> bool:
        return self._closing.wait(seconds)

    def end(self, seconds: float) -> None:
        """Give all of them together that long to end: they hold connections."""
        by = time.monotonic() + seconds
        for chore in self._threads:
            chore.join(max(0.0, by - time.monotonic()))

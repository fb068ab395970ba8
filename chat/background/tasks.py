"""Background threads of a process, joined with a timeout when it closes."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable


class BackgroundTasks:
    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def start(self, work: Callable[[], object]) -> None:
        """Run `work` in a daemon thread with the caller's context, such as its request id."""
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(work,), name="parley-task", daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()

    def signal_close(self) -> None:
        """Ask periodic tasks to end."""
        self._closing.set()

    def wait_for_close(self, seconds: float) -> bool:
        """Sleep up to `seconds`; return True as soon as the process is closing."""
        return self._closing.wait(seconds)

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for all tasks together. They hold database connections."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

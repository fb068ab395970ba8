"""Share the reader processes fairly among owners.

A free slot goes to the owner who has waited longest since their last start. One owner never holds
the last slot, and the more files wait, the less time each reader gets.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

FULL_SECONDS = 20.0  # for a reader while hardly anyone waits
MIN_SECONDS = 4.0  # however many files wait
_MAX_WAIT = 30.0  # seconds
_POLL = 0.5  # seconds between two calls of `on_wait`

OnWait = Callable[[], object]


class NoFreeSlot(Exception):
    """No slot became free in time."""


@dataclass(eq=False)
class _Job:
    owner: str
    file: Hashable
    turn: int  # number of its arrival, or of a later start of its owner


class ReaderSlots:
    """A fixed number of slots, each for one reader process. Thread-safe."""

    def __init__(self, slots: int = 3, *, max_wait: float = _MAX_WAIT) -> None:
        if slots < 2:
            raise ValueError("one slot could not be shared")
        self._slots, self._max_wait = slots, max_wait
        self._turns = count()
        self._waiting: list[_Job] = []  # in order of arrival
        self._running: list[_Job] = []
        self._changed = threading.Condition()

    @contextmanager
    def hold(
        self,
        owner: str,
        file: Hashable,
        on_wait: OnWait = lambda: None,
        *,
        is_patient: bool = False,
    ) -> Iterator[float]:
        """Wait for a slot, hold it during the block and yield the seconds for the reader.

        The same `file` is never in two slots. `on_wait` is called about twice a second while
        waiting and may raise an exception to leave the queue. Raises `NoFreeSlot` after 30 s,
        unless the caller `is_patient`.
        """
        job = _Job(owner, file, next(self._turns))
        with self._changed:
            self._waiting.append(job)
        try:
            deadline = time.monotonic() + self._max_wait
            while (seconds := self._start(job)) is None:
                if not is_patient and time.monotonic() >= deadline:
                    raise NoFreeSlot
                on_wait()
            yield seconds
        finally:
            with self._changed:
                (self._running if job in self._running else self._waiting).remove(job)
                self._changed.notify_all()

    def waiting(self) -> int:
        """Return the number of files that wait for a slot."""
        with self._changed:
            return len(self._waiting)

    def _start(self, job: _Job) -> float | None:
        """Start a job and return the seconds for its reader; None if another one comes first."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._next() is job, min(_POLL, self._max_wait)):
                return None
            self._waiting.remove(job)
            self._running.append(job)
            turn = next(self._turns)
            for other in self._waiting:
                if other.owner == job.owner:
                    other.turn = turn
            self._changed.notify_all()  # there may be another free slot
            return self._seconds(job.owner)

    def _next(self) -> _Job | None:
        """Return the job to start now, if any: the lowest turn, then the earliest arrival."""
        if len(self._running) >= self._slots:
            return None
        held = Counter(job.owner for job in self._running)
        files = {job.file for job in self._running}
        ready = (
            job
            for job in self._waiting
            if held[job.owner] < self._slots - 1 and job.file not in files
        )
        return min(ready, key=lambda job: job.turn, default=None)

    def _seconds(self, owner: str) -> float:
        """Return the seconds for a reader, so that the slots pass all waiting owners in 20 s."""
        waiting = Counter(job.owner for job in self._waiting)
        crowd = max(1.0, 1.0 + waiting[owner], len(waiting) / self._slots)
        return max(MIN_SECONDS, FULL_SECONDS / crowd)

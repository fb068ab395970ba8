"""An import that runs on in the background, whatever the page that began it does.

One for each owner at a time; its report waits for an hour, or until another one begins. It knows
neither files nor databases: what is done is handed in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from chat.errors import ImportRunning, ImportsBusy, ParleyError
from chat.formats.import_report import ImportReport

log = logging.getLogger("chat.background.import_jobs")

AT_ONCE = 2  # imports that read at the same time; others wait for their turn
MOST_WAITING = 8  # each holds its file in memory
MOST_KEPT = 200  # reports
KEPT = 3600.0  # seconds that a report is kept

Progress = Callable[[int, int], None]
Work = Callable[[Progress, Callable[[], bool]], ImportReport]


class ImportJob:
    """`done` and `total` count bytes; afterwards there is a `report` or a `problem`, a sentence."""

    def __init__(self, changed: threading.Condition, clock: Callable[[], float]) -> None:
        self._changed, self._clock = changed, clock
        self.done = self.total = 0
        self.ended_at: float | None = None
        self.report: ImportReport | None = None
        self.problem: ParleyError | None = None
        self._is_cancelled = threading.Event()
        self._is_over = threading.Event()

    @property
    def is_running(self) -> bool:
        return not self._is_over.is_set()

    @property
    def is_cancelled(self) -> bool:
        return self._is_cancelled.is_set()

    def cancel(self) -> None:
        """End it after the conversation at hand; what was taken in stays."""
        self._is_cancelled.set()
        with self._changed:
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Whether it is over, after at most that long."""
        return self._is_over.wait(seconds)

    def run(self, work: Work) -> None:
        """Do it, in the thread of whoever calls. Never raises."""
        try:
            self.report = work(self._progressed, self._is_cancelled.is_set)
        except ParleyError as error:
            self.problem = error
        except Exception:
            log.exception("an import failed")
            self.problem = ParleyError()
        finally:
            self.ended_at = self._clock()
            self._is_over.set()

    def _progressed(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class ImportJobs:
    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._jobs: dict[str, ImportJob] = {}
        self._working = 0
        self._changed = threading.Condition()

    def run(self, job: ImportJob, work: Work) -> None:
        """Do it when it is its turn; what is cancelled before does not wait for that."""
        with self._changed:
            self._changed.wait_for(lambda: self._working < AT_ONCE or job.is_cancelled)
            if job.is_cancelled:
                return job.run(lambda *_: ImportReport((), is_cancelled=True))
            self._working += 1
        try:
            job.run(work)
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def begin(self, owner: str) -> ImportJob:
        """Raises `ImportRunning` while the owner's last one runs, or `ImportsBusy`."""
        with self._changed:
            self._forget_old()
            known = self._jobs.get(owner)
            if known is not None and known.is_running:
                raise ImportRunning
            if sum(job.is_running for job in self._jobs.values()) >= AT_ONCE + MOST_WAITING:
                raise ImportsBusy
            job = self._jobs[owner] = ImportJob(self._changed, self._clock)
        return job

    def of(self, owner: str) -> ImportJob | None:
        with self._changed:
            self._forget_old()
            return self._jobs.get(owner)

    def running(self) -> int:
        """How many are under way or wait for their turn."""
        with self._changed:
            return sum(job.is_running for job in self._jobs.values())

    def cancel_all(self) -> None:
        with self._changed:
            for job in self._jobs.values():
                job.cancel()

    def _forget_old(self) -> None:
        """Whoever holds a job may still read it."""
        now = self._clock()
        ended = sorted(
            (job.ended_at, owner) for owner, job in self._jobs.items() if job.ended_at is not None
        )
        too_many = len(ended) - MOST_KEPT
        for place, (ended_at, owner) in enumerate(ended):
            if place < too_many or now - ended_at >= KEPT:
                del self._jobs[owner]

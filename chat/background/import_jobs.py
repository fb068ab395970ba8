"""Imports in the background, one at a time for each owner.

The report is kept for an hour or until the next import. Knows no files or databases: the work is
passed in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from chat.errors import ImportRunning, ImportsBusy, ParleyError
from chat.formats.import_report import ImportReport

log = logging.getLogger("chat.background.import_jobs")

MAX_CONCURRENT = 2  # imports that read at the same time; others are queued
MAX_QUEUED = 8  # each holds its file in memory
MAX_REPORTS = 200
KEPT = 3600.0  # seconds that a report is kept

Progress = Callable[[int, int], None]
Work = Callable[[Progress, Callable[[], bool]], ImportReport]


class ImportJob:
    """One import. `done` and `total` count bytes; it ends with a `report` or a `problem`."""

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
        """Stop after the current conversation; keep what was imported."""
        self._is_cancelled.set()
        with self._changed:
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; return False on timeout."""
        return self._is_over.wait(seconds)

    def run(self, work: Work) -> None:
        """Run `work` in the calling thread. Errors are kept in `problem`."""
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
        """Run a job once a slot is free. A cancelled job does not wait."""
        with self._changed:
            self._changed.wait_for(lambda: self._working < MAX_CONCURRENT or job.is_cancelled)
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
        """Register a job. Raises `ImportRunning` or `ImportsBusy`."""
        with self._changed:
            self._forget_old()
            known = self._jobs.get(owner)
            if known is not None and known.is_running:
                raise ImportRunning
            if sum(job.is_running for job in self._jobs.values()) >= MAX_CONCURRENT + MAX_QUEUED:
                raise ImportsBusy
            job = self._jobs[owner] = ImportJob(self._changed, self._clock)
        return job

    def of(self, owner: str) -> ImportJob | None:
        with self._changed:
            self._forget_old()
            return self._jobs.get(owner)

    def running(self) -> int:
        """Return the number of running and queued imports."""
        with self._changed:
            return sum(job.is_running for job in self._jobs.values())

    def cancel_all(self) -> None:
        with self._changed:
            for job in self._jobs.values():
                job.cancel()

    def _forget_old(self) -> None:
        """Drop old jobs. Callers that hold one can still read it."""
        now = self._clock()
        ended = sorted(
            (job.ended_at, owner) for owner, job in self._jobs.items() if job.ended_at is not None
        )
        too_many = len(ended) - MAX_REPORTS
        for place, (ended_at, owner) in enumerate(ended):
            if place < too_many or now - ended_at >= KEPT:
                del self._jobs[owner]

"""An import that runs on in the background, whatever the page that began it does.

One for each owner at a time; its report waits until it is taken away or another one begins. It
knows neither files nor databases: what is done is handed in.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from chat.errors import ImportRunning, ParleyError
from chat.portable.report import ImportReport

log = logging.getLogger("chat.jobs")

AT_ONCE = 2  # imports that read at the same time; others wait for their turn

Progress = Callable[[int, int], None]
Work = Callable[[Progress, Callable[[], bool]], ImportReport]


class ImportJob:
    """`done` and `total` count bytes; afterwards there is a `report` or a `problem`, a sentence."""

    def __init__(self) -> None:
        self.done = self.total = 0
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
            self._is_over.set()

    def _progressed(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class ImportJobs:
    def __init__(self) -> None:
        self._jobs: dict[str, ImportJob] = {}
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(AT_ONCE)

    def run(self, job: ImportJob, work: Work) -> None:
        """Do it when it is its turn."""
        with self._turns:
            job.run(work)

    def begin(self, owner: str) -> ImportJob:
        """Raises `ImportRunning` while the owner's last one runs."""
        with self._lock:
            known = self._jobs.get(owner)
            if known is not None and known.is_running:
                raise ImportRunning
            job = self._jobs[owner] = ImportJob()
        return job

    def of(self, owner: str) -> ImportJob | None:
        with self._lock:
            return self._jobs.get(owner)

    def cancel_all(self) -> None:
        with self._lock:
            for job in self._jobs.values():
                job.cancel()

"""Jobs that write a file in the background: exports of a user, backups of the database.

The file is kept in a temporary folder for an hour and served from disk. One job of an owner runs
at a time, and a new one replaces the last. Knows no database: the writer is passed in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from chat.background.temp_folders import TempFolder, remove_leftovers
from chat.errors import FileDiscarded, FileNotWritten, ParleyError

log = logging.getLogger(__name__)

KEPT = 3600.0  # seconds that a finished file is kept

Progress = Callable[[int, int], None]
Write = Callable[[Path, Progress], object]


class FileJob:
    """A file being written. `done` of `total` items are written; the total may be 0 (unknown)."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.done = self.total = self.size = 0
        self.path: Path | None = None  # once it is written
        self.problem: ParleyError | None = None
        self.ended_at: float | None = None
        self.is_current: Callable[[], bool] = lambda: True  # False if the file must not be kept
        self._folder: TempFolder | None = None
        self._is_removed = False
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def is_running(self) -> bool:
        return not self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the job; return False on timeout."""
        return self._ended.wait(seconds)

    def run(self, prefix: str, write: Write, clock: Callable[[], float]) -> None:
        """Write the file in the calling thread. Errors are kept in `problem`."""
        try:
            folder = self._folder = TempFolder(prefix)
            path = folder.path / "file"
            write(path, self._progress)
            self.size = path.stat().st_size
            self.path = path
        except ParleyError as error:
            self.problem = error
        except OSError as error:
            log.error("a file could not be written: %s", error)
            self.problem = FileNotWritten(details=type(error).__name__)
        except Exception:
            log.exception("a file job failed")
            self.problem = ParleyError()
        finally:
            self.ended_at = clock()
            if self.problem is not None or self._is_removed:
                self.remove()
            self._ended.set()

    def is_available(self) -> bool:
        """Return whether the file may be served; delete it if it is no longer current."""
        if self.path is not None and not self.is_current():
            self.remove()
        return self.path is not None

    def remove(self) -> None:
        """Delete the file. A running job stops at its next progress report and deletes it."""
        with self._lock:
            self._is_removed, self.path = True, None
            if self._folder is not None and (self.ended_at is not None):
                self._folder.remove()
                self._folder = None

    def _progress(self, done: int, total: int) -> None:
        if self._is_removed:
            raise FileDiscarded
        self.done, self.total = done, total


class FileJobs:
    """The jobs of one kind, by owner."""

    def __init__(
        self,
        prefix: str,
        already_running: type[ParleyError],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`already_running` is raised while the owner's last job runs."""
        self._prefix, self._already_running, self._clock = prefix, already_running, clock
        self._jobs: dict[str, FileJob] = {}
        self._lock = threading.Lock()

    def begin(self, owner: str, file_name: str, write: Write) -> tuple[FileJob, Callable[[], None]]:
        """Return a new job and the function that runs it, to be called in a background task."""
        with self._lock:
            known = self._jobs.get(owner)
            if known is not None and known.is_running:
                raise self._already_running
            job = self._jobs[owner] = FileJob(file_name)
        if known is not None:
            known.remove()
        return job, lambda: job.run(self._prefix, write, self._clock)

    def of(self, owner: str) -> FileJob | None:
        """Return the owner's running job, or the last one while its file is kept."""
        self.remove_expired()
        with self._lock:
            return self._jobs.get(owner)

    def discard(self, owner: str) -> None:
        """Delete the owner's file; a running job is stopped."""
        job = self.of(owner)
        if job is not None:
            job.remove()

    def remove_expired(self) -> None:
        now = self._clock()
        with self._lock:
            expired = [
                owner
                for owner, job in self._jobs.items()
                if job.ended_at is not None and now - job.ended_at >= KEPT
            ]
            jobs = [self._jobs.pop(owner) for owner in expired]
            kept = list(self._jobs.values())
        for job in jobs:
            job.remove()
        for job in kept:
            job.is_available()

    def remove_leftovers(self) -> None:
        """Delete the files of killed processes."""
        remove_leftovers(self._prefix)

    def close(self) -> None:
        with self._lock:
            jobs = list(self._jobs.values())
            self._jobs.clear()
        for job in jobs:
            job.remove()

"""A backup made in the background and kept for a while, to be downloaded by admins.

One at a time in this process. It lies in the folder for temporary files, for this process's eyes
only; it knows no database: how one is written is handed in.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chat.background.temp_folders import Folder, remove_leftovers
from chat.domain.sizes import human_size
from chat.errors import BackupFailed, BackupRunning, BackupTooLarge, NotFound, ParleyError

log = logging.getLogger("chat.background.backup_jobs")

MOST = 200_000_000  # bytes: a download is held in memory
KEPT = timedelta(hours=1)
PREFIX = "parley-backup-"


class Backup:
    """`size` in bytes once it is made; or a `problem`, a sentence."""

    def __init__(self, begun_at: datetime) -> None:
        self.begun_at = begun_at
        self.size = 0
        self.problem: ParleyError | None = None
        self._is_over = threading.Event()

    @property
    def is_running(self) -> bool:
        return not self._is_over.is_set()

    @property
    def name(self) -> str:
        return f"parley-{self.begun_at:%Y-%m-%d-%H%M}.db"

    def wait(self, seconds: float) -> bool:
        """Whether it is over, after at most that long."""
        return self._is_over.wait(seconds)

    def run(self, write: Callable[[], int]) -> None:
        """Do it, in the thread of whoever calls. Never raises."""
        try:
            self.size = write()
        except ParleyError as error:
            self.problem = error
        except Exception:
            log.exception("a backup failed")
            self.problem = BackupFailed()
        finally:
            self._is_over.set()


def remove_old() -> None:
    """What killed processes left behind: whole databases."""
    remove_leftovers(PREFIX)


class Backups:
    """`write` writes one to a new file and tells its size, `measure` tells it beforehand."""

    def __init__(
        self,
        write: Callable[[Path], int],
        measure: Callable[[], int],
        *,
        most: int = MOST,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._write, self._measure, self._most, self._clock = write, measure, most, clock
        self._lock = threading.Lock()
        self._last: Backup | None = None
        self._folder: Folder | None = None

    def begin(self) -> tuple[Backup, Callable[[], None]]:
        """A new one and the work to be done for it. Raises `BackupRunning`, `BackupTooLarge`."""
        self._check_size(self._measure())
        with self._lock:
            if self._last is not None and self._last.is_running:
                raise BackupRunning
            self._drop()
            backup = self._last = Backup(self._clock())
        return backup, lambda: backup.run(self._make)

    def last(self) -> Backup | None:
        """The one that is being made or waits to be downloaded."""
        with self._lock:
            last = self._last
            if last and not last.is_running and self._clock() - last.begun_at > KEPT:
                self._drop()
            return self._last

    def content(self) -> bytes:
        """All of it. Raises `NotFound` when there is none (any more)."""
        self.last()
        with self._lock:
            if self._folder is None or self._last is None or self._last.is_running:
                raise NotFound
            try:
                return (self._folder.path / "backup.db").read_bytes()
            except OSError:
                raise NotFound from None

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _make(self) -> int:
        with self._lock:
            folder = self._folder = Folder(PREFIX)
        size = self._write(folder.path / "backup.db")
        if size > self._most:
            (folder.path / "backup.db").unlink(missing_ok=True)
        self._check_size(size)
        return size

    def _check_size(self, size: int) -> None:
        if size > self._most:
            raise BackupTooLarge(human_size(size), human_size(self._most))

    def _drop(self) -> None:
        if self._folder is not None:
            self._folder.drop()
        self._folder = self._last = None

"""Temporary folders that survive no process: those of killed processes are removed at a start.

A file lock in the folder marks its process as alive. A process id would be ambiguous in another
container or after a restart.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_LOCK = "lock"


class TempFolder:
    """A new folder that only this operating-system user can read."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        unlocked = self.path / f"{_LOCK}.new"
        self._lock = os.open(unlocked, os.O_RDWR | os.O_CREAT, 0o600)
        if _lock(self._lock):  # without lock support the folder is never taken for abandoned
            unlocked.rename(self.path / _LOCK)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_leftovers(prefix: str) -> None:
    """Remove the folders that dead processes of this user created with `prefix`."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if _is_ours(path) and _is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:  # removed by another process
        return False
    return sys.platform != "win32" and found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode)


def _is_abandoned(path: Path) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return _lock(lock)
    finally:
        os.close(lock)


def _lock(lock: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by a live process, or not supported by the file system
        return False
    return True

"""Folders for temporary files. One that a killed process left behind, the next process removes.

Who is alive is told by a lock on a file in the folder, which goes with its process: a process id
says nothing in another container, or after a restart.
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


class Folder:
    """For this user's eyes only."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        begun = self.path / f"{_LOCK}.new"
        self._lock = os.open(begun, os.O_RDWR | os.O_CREAT, 0o600)
        if _take(self._lock):  # else nobody can tell, and it is left alone
            begun.rename(self.path / _LOCK)  # now that it is held

    def drop(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_leftovers(prefix: str) -> None:
    """Remove the folders that processes of this user, dead by now, have made with `prefix`."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if _is_ours(path) and _is_left(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:  # somebody else removes it just now
        return False
    return sys.platform != "win32" and found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode)


def _is_left(path: Path) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return _take(lock)
    finally:
        os.close(lock)


def _take(lock: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is held, or there is no such thing on this disk
        return False
    return True

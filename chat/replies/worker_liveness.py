"""Liveness of the processes that write replies.

A remote worker counts as dead only after missing heartbeats over several checks. Clocks of
different machines are never compared. Knows no database: heartbeats are passed in.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

_local_workers: set[str] = set()  # active workers of this process

DEAD_AFTER = 15.0  # seconds observed without a new heartbeat; one is sent about every second
MAX_CHECK_GAP = 5.0  # seconds; a longer gap between checks is not counted as observed
FORGET_AFTER = 120.0  # seconds after the last check


@dataclass(slots=True)
class _Observed:
    heartbeat: object
    checked_at: float
    silent: float = 0.0  # seconds observed without a new heartbeat


class Worker:
    """This process. Its name is unique, also after a restart with the same process id."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = f"{_place()}:{os.getpid()}:{token_hex(6)}"
        self._clock = clock
        self._observed: dict[tuple[str, str], _Observed] = {}
        self._lock = threading.Lock()
        _local_workers.add(self.name)

    def retire(self) -> None:
        """Mark this worker as ended."""
        _local_workers.discard(self.name)

    def is_alive(self, name: str | None, work_id: str, heartbeat: object) -> bool:
        """Return whether the worker `name` still does `work_id`; `heartbeat` changes while it does.

        Call it only for work that this process does not have: under its own name that is lost.
        A local worker is dead as soon as its process is missing, a remote one only after several
        checks without a new heartbeat.
        """
        if name is None or name == self.name:
            return False
        if name in _local_workers:
            return True
        return not self.is_gone(name) and self._silence(name, work_id, heartbeat) < DEAD_AFTER

    def is_here(self, name: str) -> bool:
        """Return whether a worker runs on this host, where its process is visible."""
        return name in _local_workers or name.rsplit(":", 2)[0] == self.name.rsplit(":", 2)[0]

    def is_gone(self, name: str) -> bool:
        """Return whether another worker is known to be dead. Unknown for remote workers: False."""
        if name in _local_workers:
            return False
        place, pid, _ = [*name.rsplit(":", 2), "", ""][:3]
        mine, my_pid, _ = self.name.rsplit(":", 2)
        return place == mine and pid.isdigit() and (pid == my_pid or not _process_exists(int(pid)))

    def _silence(self, name: str, work_id: str, heartbeat: object) -> float:
        """Return the seconds that this process observed without a new heartbeat.

        Counted for each piece of work: an idle worker sends no heartbeats.
        """
        with self._lock:
            now = self._clock()
            observed = self._observed.get((name, work_id))
            if observed is None or observed.heartbeat != heartbeat:
                self._forget(now)
                observed = self._observed[name, work_id] = _Observed(heartbeat, now)
            observed.silent += min(now - observed.checked_at, MAX_CHECK_GAP)
            observed.checked_at = now
            return observed.silent

    def _forget(self, now: float) -> None:
        for key, observed in list(self._observed.items()):
            if now - observed.checked_at >= FORGET_AFTER:
                del self._observed[key]


@cache
def _place() -> str:
    """Return an identifier of the host, within which process ids are unique.

    It covers the boot and the PID namespace, because containers may share a host name.
    """
    inside = ""
    if sys.platform == "linux":
        try:
            inside = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
            inside += os.readlink("/proc/self/ns/pid")
        except OSError:
            inside = token_hex(16)  # unique, so that no other scope is taken for this one
    return f"{socket.gethostname()[:40]}.{sha256(inside.encode()).hexdigest()[:12]}"


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True

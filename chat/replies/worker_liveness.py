"""Which process writes a running reply, and whether that process is still there.

No clocks are compared: those of two machines differ, and any may jump. A process is dead when it
gave no sign of life while another one watched. It knows no database: the signs are handed in.
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

_here: set[str] = set()  # the workers of this process that are at work

DEAD_AFTER = 15.0  # seconds watched without a new sign of life; one comes about every second
COUNTS = 5.0  # seconds from one look to the next that count at most: who slept saw nothing
FORGOTTEN = 120.0  # seconds after the last look


@dataclass(slots=True)
class _Watched:
    sign: object
    looked_at: float
    silent: float = 0.0


class Worker:
    """This process. Its name tells it from others, also from an earlier one with the same id."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = f"{_place()}:{os.getpid()}:{token_hex(6)}"
        self._clock = clock
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._lock = threading.Lock()
        _here.add(self.name)

    def retire(self) -> None:
        """This worker writes no more."""
        _here.discard(self.name)

    def is_alive(self, name: str | None, work_id: str, sign: object) -> bool:
        """Whether the worker `name` still does that work; `sign` is another one each time it did.

        A worker is asked only about replies it does not have: under its own name they are lost.
        In the same place a missing process is dead at once; of others it has to be asked again
        and again, for nobody is dead who was looked at only once.
        """
        if name is None or name == self.name:
            return False
        if name in _here:
            return True
        return not self.is_gone(name) and self._silence(name, work_id, sign) < DEAD_AFTER

    def is_here(self, name: str) -> bool:
        """Whether a worker is in this place, where its process can be seen."""
        return name in _here or name.rsplit(":", 2)[0] == self.name.rsplit(":", 2)[0]

    def is_gone(self, name: str) -> bool:
        """Whether another worker is known to be dead; of one elsewhere nobody knows."""
        if name in _here:
            return False
        place, pid, _ = [*name.rsplit(":", 2), "", ""][:3]
        mine, my_pid, _ = self.name.rsplit(":", 2)
        return place == mine and pid.isdigit() and (pid == my_pid or not _process_exists(int(pid)))

    def _silence(self, name: str, work_id: str, sign: object) -> float:
        """Seconds that this process watched without a new sign.

        By the work and not by the worker: one that had nothing to do for long begins anew.
        """
        with self._lock:
            now = self._clock()
            watched = self._watched.get((name, work_id))
            if watched is None or watched.sign != sign:
                self._forget(now)
                watched = self._watched[name, work_id] = _Watched(sign, now)
            watched.silent += min(now - watched.looked_at, COUNTS)
            watched.looked_at = now
            return watched.silent

    def _forget(self, now: float) -> None:
        for key, watched in list(self._watched.items()):
            if now - watched.looked_at >= FORGOTTEN:
                del self._watched[key]


@cache
def _place() -> str:
    """Where process ids mean the same: this machine until it restarts, and in it the container.

    A name alone does not tell: containers may have the machine's, and machines each other's.
    """
    inside = ""
    if sys.platform == "linux":
        try:
            inside = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
            inside += os.readlink("/proc/self/ns/pid")
        except OSError:
            inside = token_hex(16)  # nobody shall take it for another place
    return f"{socket.gethostname()[:40]}.{sha256(inside.encode()).hexdigest()[:12]}"


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True

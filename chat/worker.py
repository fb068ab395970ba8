"""Which process writes a running reply, and whether that process is still there."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from secrets import token_hex

_here: set[str] = set()  # the workers of this process that are at work

DEAD_AFTER = timedelta(seconds=15)  # without a heartbeat; one comes about every second


class Worker:
    """This process. Its name tells it from others, also from an earlier one with the same id."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{token_hex(6)}"
        _here.add(self.name)

    def retire(self) -> None:
        """This worker writes no more."""
        _here.discard(self.name)

    def is_alive(self, name: str | None, heartbeat_at: datetime | None) -> bool:
        """Whether the worker `name` still writes.

        A worker is asked only about replies it does not have: under its own name they are lost.
        On the same machine a missing process is dead at once, elsewhere the heartbeat decides.
        """
        if name is None or name == self.name:
            return False
        if name in _here:
            return True
        if self.is_gone(name):
            return False
        return heartbeat_at is not None and datetime.now(UTC) - heartbeat_at < DEAD_AFTER

    def is_gone(self, name: str) -> bool:
        """Whether another worker is known to be dead; of one elsewhere nobody knows."""
        if name in _here:
            return False
        host, pid, _ = [*name.rsplit(":", 2), "", ""][:3]
        mine, my_pid, _ = self.name.rsplit(":", 2)
        return host == mine and pid.isdigit() and (pid == my_pid or not _process_exists(int(pid)))


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True

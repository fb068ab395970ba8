"""The memory that this process may use, by the limits of its container and its machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_CGROUP_LIMITS = (
    "sys/fs/cgroup/memory.max",
    "sys/fs/cgroup/memory/memory.limit_in_bytes",  # version 1
)
_CGROUP_OF_PROCESS = "proc/self/cgroup"  # a systemd unit has one of its own
_UNKNOWN = 2_000_000_000  # bytes, if the system does not tell


def memory_limit(root: Path = Path("/")) -> int:
    """Return the number of bytes."""
    found = [_UNKNOWN]
    with suppress(ValueError, OSError, AttributeError):  # missing on Windows
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    files = [root / each for each in _CGROUP_LIMITS]
    with suppress(OSError):
        for line in (root / _CGROUP_OF_PROCESS).read_text().splitlines():
            path = line.rpartition(":")[2].lstrip("/")
            files += [root / "sys/fs/cgroup" / path / "memory.max"] if path else []
    for file in files:
        with suppress(OSError, ValueError):  # "max" means no limit
            found.append(int(file.read_text()))
    return min(each for each in found if each > 0)

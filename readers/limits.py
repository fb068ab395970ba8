"""Confines this process, for good, before it looks at anything untrusted.

The system bounds memory, time and files where it can (Windows cannot: there the parent's clock is
all there is). The interpreter refuses what no reader has any business with, in case a file talks
a library into it. Imports nothing but the standard library.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from typing import Any

_REFUSED = (
    "socket.",
    "subprocess.",
    "ctypes.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "os.chmod",
    "os.chown",
    "os.kill",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "shutil.",
    "tempfile.",
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def confine(seconds: float, memory_mb: int) -> None:
    """From here on: no file is written, no process or connection opened, all within the limits."""
    try:
        import resource
    except ImportError:
        pass
    else:
        limits = {
            "RLIMIT_AS": memory_mb * 1_000_000,
            "RLIMIT_CPU": math.ceil(seconds),
            "RLIMIT_FSIZE": 0,
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 64,
            "RLIMIT_NPROC": 0,
        }
        for name, most in limits.items():
            if hasattr(resource, name):
                kind = getattr(resource, name)
                allowed = resource.getrlimit(kind)[1]
                if allowed != resource.RLIM_INFINITY:
                    most = min(most, allowed)
                with suppress(OSError, ValueError):  # macOS has no limit on memory
                    resource.setrlimit(kind, (most, most))
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        flags = args[2]
        if isinstance(flags, int) and flags & _WRITES:
            raise PermissionError("a reader writes no files")
    elif event.startswith(_REFUSED):
        raise PermissionError(f"a reader has no business with {event}")

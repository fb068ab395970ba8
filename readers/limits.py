"""Limits of the current process that every system supports. Cannot be undone.

Resource limits bound memory, CPU time and files; Windows has none, so only the parent's timeout
applies there. An audit hook blocks network access, subprocesses and changes to files, in case a
file exploits a parser. Imports the standard library only.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from typing import Any

_BLOCKED_EVENTS = (
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
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def set_resource_limits(seconds: float, memory_mb: int) -> None:
    try:
        import resource
    except ImportError:
        return
    limits = {
        "RLIMIT_AS": memory_mb * 1_000_000,
        "RLIMIT_CPU": math.ceil(seconds),
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": 0,
    }
    for name, limit in limits.items():
        if hasattr(resource, name):
            kind = getattr(resource, name)
            hard_limit = resource.getrlimit(kind)[1]
            if hard_limit != resource.RLIM_INFINITY:
                limit = min(limit, hard_limit)
            with suppress(OSError, ValueError):  # macOS does not support RLIMIT_AS
                resource.setrlimit(kind, (limit, limit))


def install_audit_hook() -> None:
    """Forbid network access, subprocesses and changes to files in Python code."""
    sys.addaudithook(_audit)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        flags = args[2]
        if isinstance(flags, int) and flags & _WRITE_FLAGS:
            raise PermissionError("readers must not write files")
    elif event.startswith(_BLOCKED_EVENTS):
        raise PermissionError(f"readers must not use {event}")

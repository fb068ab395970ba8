"""Confine the current process before it reads untrusted data. Cannot be undone.

The limits of `limits` apply everywhere. On Linux, the kernel additionally keeps the process from
the files, processes and networks of the machine, even if a file takes control of a parser.
Whatever the system does not support is left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from readers import limits

NOBODY = 65534  # the user and group without files of their own

active: list[str] = []  # the protections of this process: "user", "landlock", "seccomp"


def confine(readable: Sequence[str]) -> None:
    """Restrict the process to reading the files and folders `readable`, and set the audit hook."""
    if sys.platform == "linux":
        from readers import landlock, seccomp

        # Landlock opens the folders, and the filter forbids what the other two need.
        _apply("landlock", lambda: landlock.restrict(readable))
        _apply("user", lambda: _become_nobody(readable))
        _apply("seccomp", seccomp.restrict)
    limits.install_audit_hook()


def _apply(name: str, restrict: Callable[[], None]) -> None:
    with suppress(OSError):
        restrict()
        active.append(name)


def _become_nobody(readable: Sequence[str]) -> None:
    """Leave the root user for one without rights. Raises OSError if this is not root.

    Root is kept if Python's own files are readable by root only: parsers import parts of
    themselves while they read.
    """
    folders = [path for path in readable if os.path.isdir(path)]
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        for path in folders:
            os.scandir(path).close()
    except OSError:
        os.seteuid(0)
        os.setegid(0)
        raise
    os.seteuid(0)
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)

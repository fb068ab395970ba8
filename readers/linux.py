"""System calls of Linux that Python's standard library does not offer."""

from __future__ import annotations

import ctypes
import os

_PR_SET_NO_NEW_PRIVS = 38


def syscall(number: int, *arguments: object) -> int:
    """Make a system call and return its result. Raises OSError."""
    return _checked(_libc().syscall(ctypes.c_long(number), *arguments))


def prctl(option: int, *arguments: object) -> int:
    """Call `prctl(2)`, with zeros for missing arguments. Raises OSError."""
    values = [each if each is not None else 0 for each in (*arguments, *[0] * 4)][:4]
    return _checked(_libc().prctl(option, *values))


def forbid_new_privileges() -> None:
    """Give up setuid programs; Landlock and seccomp require it of unprivileged processes."""
    prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result

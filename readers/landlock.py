"""Landlock: restrict the current process to reading a few folders. Linux 5.13 or newer.

Landlock also keeps a process from tracing processes outside, which includes reading their memory
and environment, and newer versions from connecting to them and from sending them signals.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress

from readers import linux

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# All rights that a version knows are handled, which forbids what no rule allows.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # number of rights by version; later ones as 5
_NETWORK_RIGHTS = 0b11  # to bind and connect TCP sockets; version 4
_SCOPES = 0b11  # abstract Unix sockets and signals; version 6


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """Return the version of Landlock's interface. Raises OSError if the kernel has none."""
    return linux.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))


def restrict(readable: Iterable[str]) -> None:
    """Forbid access to all files but the `readable` files and folders. Raises OSError."""
    found = version()
    rules = _Ruleset(
        files=(1 << _FILE_RIGHTS[min(found, 5)]) - 1,
        network=_NETWORK_RIGHTS if found >= 4 else 0,
        scoped=_SCOPES if found >= 6 else 0,
    )
    size = 24 if found >= 6 else 16 if found >= 4 else 8  # older kernels know fewer fields
    ruleset = linux.syscall(
        _CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    try:
        for path in readable:
            with suppress(FileNotFoundError, PermissionError):
                _allow(ruleset, path)
        linux.forbid_new_privileges()
        linux.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0)
        rule = _PathBeneath(allowed, parent)
        arguments = ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule)
        linux.syscall(_ADD_RULE, *arguments, ctypes.c_uint32(0))
    finally:
        os.close(parent)

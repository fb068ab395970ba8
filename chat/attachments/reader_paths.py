"""Paths that a reader process imports from, and the only ones that it may read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
# Shared libraries and the index of them, and devices.
_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/etc/ld.so.cache",
    "/dev/null",
    "/dev/urandom",
)


def import_path() -> list[str]:
    """Return the root of the repository and the import path of this process."""
    return [str(_ROOT), *(os.path.abspath(path) for path in sys.path if path)]


def readable_paths() -> list[str]:
    """Return the files and folders of Python, its packages and the readers.

    A folder of the import path that contains the repository, the current or the home folder is
    left out: they may hold keys and the database.
    """
    private = [os.path.realpath(path) for path in (_ROOT, os.getcwd(), os.path.expanduser("~"))]
    packages = [path for path in import_path() if not _is_above(path, private)]
    libraries = [os.path.join(prefix, "lib") for prefix in {sys.base_prefix, sys.prefix}]
    extra = [os.environ.get(name, "") for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")]
    libraries += [path for each in extra for path in each.split(os.pathsep) if path]
    return [str(_ROOT / "readers"), *packages, *libraries, *_SYSTEM]


def _is_above(path: str, others: list[str]) -> bool:
    real = Path(os.path.realpath(path))
    return any(real == Path(other) or real in Path(other).parents for other in others)

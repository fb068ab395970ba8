"""Keep other processes of the same user from reading the memory and environment of this one.

Both hold API keys. Linux then lets only root read them, which debuggers and profilers need too, and
writes no core dumps.
"""

from __future__ import annotations

import ctypes
import logging
import sys

log = logging.getLogger("server")

_PR_SET_DUMPABLE = 4


def protect() -> None:
    """Mark the process as not dumpable. Does nothing on other systems than Linux."""
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0), 0, 0, 0):
        log.warning("other processes of this user can read the memory of this one")

"""A hook around blocking database calls, for a host that schedules its threads itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

_hook: Callable[[], AbstractContextManager[object]] = nullcontext


def set_io_hook(hook: Callable[[], AbstractContextManager[object]]) -> None:
    """Enter `hook()` around every database transaction of this process, in the calling thread."""
    global _hook
    _hook = hook


def blocking_io() -> AbstractContextManager[object]:
    """Return the context manager for one blocking call."""
    return _hook()

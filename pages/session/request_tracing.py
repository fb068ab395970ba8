"""One id for a click and the drawing of the page that follows it: they are in the log together.

A click's callback runs before the page does, so whichever comes first begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chat import begin_request

_is_under_way: ContextVar[bool] = ContextVar("is_under_way", default=False)


def begin_action() -> None:
    if not _is_under_way.get():
        begin_request()
        _is_under_way.set(True)


@contextmanager
def run() -> Iterator[None]:
    """Around the drawing of a page. If it fails the action goes on, until that was told."""
    begin_action()
    has_failed = False
    try:
        yield
    except Exception:
        has_failed = True
        raise
    finally:
        _is_under_way.set(has_failed)


@contextmanager
def telling() -> Iterator[None]:
    """Around what is told of a failure; that of a click which began no action has its own id."""
    begin_action()
    try:
        yield
    finally:
        _is_under_way.set(False)

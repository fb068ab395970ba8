"""One request id for a click and the page run that follows it, so that their log lines match.

Streamlit runs a callback before the page; the first of the two begins the request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chat import begin_request

_is_active: ContextVar[bool] = ContextVar("is_active", default=False)


def begin_action() -> None:
    if not _is_active.get():
        begin_request()
        _is_active.set(True)


@contextmanager
def run() -> Iterator[None]:
    """Trace a page run. If it raises, the request stays open until the error is reported."""
    begin_action()
    has_failed = False
    try:
        yield
    except Exception:
        has_failed = True
        raise
    finally:
        _is_active.set(has_failed)


@contextmanager
def reporting() -> Iterator[None]:
    """Trace the report of an error; an error outside of any request gets an id of its own."""
    begin_action()
    try:
        yield
    finally:
        _is_active.set(False)

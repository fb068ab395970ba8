"""Pages are drawn one after the other. Streamlit would draw all at once, and each would be late.

Python runs one thread at a time: of fifty pages drawn together none is there before all are, and
the last words of a reply wait among them. Nobody waits long for a turn: this is no lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 0.5  # seconds, for a page that waits for the database must not hold up the others

_turn = threading.Lock()
_mine = threading.local()


@contextmanager
def taken() -> Iterator[None]:
    """One turn at drawing, until the end or `over`."""
    _mine.has = _turn.acquire(timeout=LONGEST)
    try:
        yield
    finally:
        over()


def over() -> None:
    """This page is drawn; it may wait for what comes now."""
    if getattr(_mine, "has", False):
        _mine.has = False
        _turn.release()

"""Pages are drawn one after the other. Streamlit would draw all at once, and each would be late.

Python runs one thread at a time: of fifty pages drawn together none is there before all are, and
the last words of a reply wait among them. A turn that lasts is passed on: this is no lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 0.5  # seconds, for a page that waits for the database must not hold up the others
PATIENCE = 2.0  # seconds, then a page is drawn beside the others: several wait for the database


class _Turn:
    """The one turn there is: whose it is, and since when."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: object | None = None
        self._until = 0.0

    def take(self) -> object:
        end = time.monotonic() + PATIENCE
        with self._changed:
            while self._holder is not None:
                left = min(self._until, end) - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._holder, self._until = object(), time.monotonic() + LONGEST
            return self._holder

    def give_back(self, holder: object | None) -> None:
        """Nothing, if it was passed on meanwhile."""
        with self._changed:
            if holder is not None and self._holder is holder:
                self._holder = None
                self._changed.notify()


_turn = _Turn()
_mine = threading.local()


@contextmanager
def taken() -> Iterator[None]:
    """One turn at drawing, until the end or `over`."""
    _mine.holder = _turn.take()
    try:
        yield
    finally:
        over()


def over() -> None:
    """This page is drawn, or about to wait for something: it needs no turn."""
    _turn.give_back(getattr(_mine, "holder", None))
    _mine.holder = None

"""Draw pages one after the other, except while they wait for the database.

Streamlit runs all scripts at once. Under the GIL fifty pages drawn together are all late, and so
are the replies that stream between them; one after the other, most are early. A turn is a lease:
it ends at the latest after `LEASE`, and a page waits for it no longer than `MAX_WAIT`.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LEASE = 0.5  # seconds, so that a page that blocks elsewhere does not stop the others
MAX_WAIT = 2.0  # seconds, then a page is drawn beside the others


@dataclass(eq=False)
class _Ticket:
    """A page run. The lower its number, the earlier it arrived and the sooner it continues."""

    number: int
    condition: threading.Condition


class _Turns:
    """The lease, and the tickets that wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: list[_Ticket] = []
        self._holder: _Ticket | None = None
        self._expires = 0.0

    def ticket(self) -> _Ticket:
        return _Ticket(next(self._numbers), threading.Condition(self._lock))

    def acquire(self, ticket: _Ticket) -> None:
        """Take the lease once it is free or expired, earlier tickets first, or after a limit."""
        deadline = time.monotonic() + MAX_WAIT
        with self._lock:
            self._waiting.append(ticket)
            while (timeout := self._time_left(ticket, deadline)) > 0:
                ticket.condition.wait(timeout)
            self._waiting.remove(ticket)
            self._holder, self._expires = ticket, time.monotonic() + LEASE
            self._wake_first()  # it has to wait for another lease now

    def release(self, ticket: _Ticket) -> None:
        """Free the lease, unless it has expired and passed to another ticket."""
        with self._lock:
            if self._holder is ticket:
                self._holder = None
                self._wake_first()

    def _time_left(self, ticket: _Ticket, deadline: float) -> float:
        """Return for how many seconds the ticket has to wait if nothing changes."""
        if ticket is self._first():
            available = 0.0 if self._holder is None else self._expires
            deadline = min(deadline, available)
        return deadline - time.monotonic()

    def _first(self) -> _Ticket | None:
        return min(self._waiting, key=lambda ticket: ticket.number, default=None)

    def _wake_first(self) -> None:
        if first := self._first():
            first.condition.notify()


_turns = _Turns()
_thread = threading.local()


@contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn and hold it until the block ends or `end` is called."""
    _thread.ticket = ticket = _turns.ticket()
    _turns.acquire(ticket)
    try:
        yield
    finally:
        end()


def end() -> None:
    """End the turn of this thread: its page is drawn, or is about to wait for a reply."""
    ticket: _Ticket | None = getattr(_thread, "ticket", None)
    if ticket is not None:
        _thread.ticket = None
        _turns.release(ticket)


@contextmanager
def paused() -> Iterator[None]:
    """Let other pages draw during the block, which waits for I/O, and continue before later ones.

    Does nothing in a thread that has no turn.
    """
    ticket: _Ticket | None = getattr(_thread, "ticket", None)
    if ticket is None:
        yield
        return
    _turns.release(ticket)
    try:
        yield
    finally:
        _turns.acquire(ticket)

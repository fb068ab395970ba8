"""The end of the process, asked for by a signal: replies are stored at once, and then it leaves.

The server closes all connections before it tells the app. One that nobody reads, or a file that is
half uploaded, would keep it there until it is killed, with replies still running.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger("pages")

STORED_WITHIN = 7.0  # seconds after the signal; hosts kill after ten
LEAVE_AFTER = 1.5  # seconds more for whoever holds a connection open
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def at_signal(begin: Callable[[], object]) -> Iterator[None]:
    """Call `begin` when the process is told to end, then do what was done before.

    `begin` is called by a signal handler: it may only ask for something to be done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python hands signals to the main thread only
        return
    before = {each: signal.getsignal(each) for each in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        begin()
        known = before[signal.Signals(number)]
        if callable(known):
            known(number, frame)

    for each, known in before.items():
        if callable(known):  # else there is no server that would end orderly
            signal.signal(each, handle)
    try:
        yield
    finally:
        for each, known in before.items():
            if callable(known):
                signal.signal(each, known)


class Leaving:
    """Ends the process in time, whatever it still waits for."""

    def __init__(self) -> None:
        self._is_stored, self._is_over = threading.Event(), threading.Event()

    def begin(self) -> None:
        threading.Thread(target=self._leave, name="parley-leaving", daemon=True).start()

    def stored(self) -> None:
        """Nothing would be lost now."""
        self._is_stored.set()

    def over(self) -> None:
        """The server ends by itself."""
        self._is_over.set()
        self._is_stored.set()

    def _leave(self) -> None:
        self._is_stored.wait(STORED_WITHIN)
        if not self._is_over.wait(LEAVE_AFTER):
            log.warning("connections are still open: leaving without them")
            os._exit(0)

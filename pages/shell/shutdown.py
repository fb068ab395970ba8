"""On SIGTERM, SIGINT or SIGHUP save running replies at once and exit within ten seconds.

The server closes its connections before it ends the app's lifespan. A connection that the client
does not read, or an unfinished upload, would delay that until the host kills the process, with
replies still running.
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

SAVE_TIMEOUT = 7.0  # seconds after the signal; hosts kill the process after ten
EXIT_TIMEOUT = 1.5  # seconds after that for connections to close
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # not on Windows


@contextmanager
def on_signal(callback: Callable[[], object]) -> Iterator[None]:
    """Call `callback` on SIGTERM and SIGINT, before the handlers that the server has installed.

    It runs inside a signal handler and may only schedule work. SIGHUP, which a closed terminal
    sends, is treated like SIGTERM unless it is ignored, as by nohup.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python allows signal handlers in the main thread only
        return
    previous = {each: signal.getsignal(each) for each in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        callback()
        handler = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for each, handler in previous.items():
        if callable(handler):  # otherwise no server is there to shut down gracefully
            signal.signal(each, handle)
    try:
        with _hangup_as_termination():
            yield
    finally:
        for each, handler in previous.items():
            if callable(handler):
                signal.signal(each, handler)


@contextmanager
def _hangup_as_termination() -> Iterator[None]:
    if _HANGUP is None or signal.getsignal(_HANGUP) is not signal.SIG_DFL:
        yield
        return
    signal.signal(_HANGUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(_HANGUP, signal.SIG_DFL)


class ShutdownWatchdog:
    """Exits the process after a deadline, even if connections or tasks are still open."""

    def __init__(self) -> None:
        self._is_saved, self._is_done = threading.Event(), threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="parley-shutdown", daemon=True).start()

    def mark_saved(self) -> None:
        """Report that all replies are saved; from now on only connections are waited for."""
        self._is_saved.set()

    def cancel(self) -> None:
        """Report that the lifespan has ended, so that the server can exit normally."""
        self._is_done.set()
        self._is_saved.set()

    def _watch(self) -> None:
        self._is_saved.wait(SAVE_TIMEOUT)
        if not self._is_done.wait(EXIT_TIMEOUT):
            log.warning("exiting with connections still open")
            os._exit(0)

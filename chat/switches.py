"""The kill switch and the banner, read from the database so that all processes agree.

Guide is never off: it asks nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from chat.domain import storable
from chat.errors import Refused, StoreFailed
from chat.store.switches import SwitchStore

log = logging.getLogger(__name__)

ALL = "*"
GUIDE = "guide/"
KEPT = 1.5  # seconds
LONGEST_BANNER = 500  # characters


class Switches:
    def __init__(self, store: SwitchStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._off: frozenset[str] = frozenset()
        self._banner = ""
        self._fresh_until: float | None = None
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` when something was switched off in this process."""
        self._watchers.append(watcher)

    def is_off(self, ref: str) -> bool:
        if ref.startswith(GUIDE):
            return False
        off = self.off()
        return bool(off) and (ref in off or ALL in off)

    def off(self) -> frozenset[str]:
        self._read()
        return self._off

    def banner(self) -> str:
        self._read()
        return self._banner

    def set_off(self, ref: str, *, is_off: bool) -> None:
        """Raises `Refused` for Guide."""
        ref = storable(ref).strip()[:300]
        if ref.startswith(GUIDE) or not ref:
            raise Refused("Guide cannot be switched off: it asks nobody and costs nothing.")
        self._store.set_off(ref, is_off=is_off)
        self._forget()
        log.info("%s is switched %s", ref, "off" if is_off else "on")
        if is_off:
            for watcher in self._watchers:
                watcher()

    def set_banner(self, text: str) -> None:
        self._store.set_banner(storable(text).strip()[:LONGEST_BANNER])
        self._forget()

    def _forget(self) -> None:
        with self._lock:
            self._fresh_until = None

    def _read(self) -> None:
        with self._lock:
            now = self._clock()
            if self._fresh_until is not None and now < self._fresh_until:
                return
            try:
                self._off, self._banner = self._store.read()
            except StoreFailed:  # what was known a moment ago holds
                log.warning("what is switched off could not be read")
            self._fresh_until = now + KEPT

"""The kill switch and the banner, read from the database so that all processes agree.

Guide is never off: it asks nobody. A person's own key is theirs: it is off with everything only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from chat.domain.ids import storable
from chat.domain.person import OWN_KEY_PREFIX
from chat.errors import Refused, StoreFailed
from chat.store.kill_switch import SwitchStore

log = logging.getLogger(__name__)

ALL = "*"
GUIDE = "guide/"
KEPT = 1.5  # seconds
LONGEST_BANNER = 500  # characters
LONGEST_REF = 300


class Switches:
    def __init__(self, store: SwitchStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._off: frozenset[str] = frozenset()
        self._names: frozenset[str] = frozenset()  # the same, as they are compared
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
        self._read()
        if ALL in self._names:
            return True
        return (
            bool(self._names)
            and not ref.startswith(OWN_KEY_PREFIX)
            and not _names(ref).isdisjoint(self._names)
        )

    def off(self) -> frozenset[str]:
        self._read()
        return self._off

    def banner(self) -> str:
        self._read()
        return self._banner

    def set_off(self, ref: str, *, is_off: bool) -> None:
        """`ref` in full, "provider/model id". Raises `Refused` for what cannot be switched off."""
        ref = storable(ref).strip()
        self._forget()
        same = [each for each in self.off() if _name(each) == _name(ref)]
        if is_off:
            _check(ref)
            same = same or [ref]
        for each in same:
            self._store.set_off(each, is_off=is_off)
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
                self._names = frozenset(map(_name, self._off))
            except StoreFailed:  # what was known a moment ago holds
                log.warning("what is switched off could not be read")
            self._fresh_until = now + KEPT


def _check(ref: str) -> None:
    if ref.startswith(GUIDE):
        raise Refused("Guide cannot be switched off: it asks nobody and costs nothing.")
    if ref.startswith(OWN_KEY_PREFIX):
        raise Refused("People's own keys are theirs: they are off only while all models are.")
    if not ref:
        raise Refused("Name the model that is to be switched off.")
    if len(ref) > LONGEST_REF:
        raise Refused(f"The name of a model has at most {LONGEST_REF} characters.")


def _name(ref: str) -> str:
    """A ref without what providers take no notice of."""
    provider, _, model_id = ref.strip().casefold().partition("/")
    return f"{provider}/{model_id.removeprefix('models/')}" if model_id else provider


def _names(ref: str) -> frozenset[str]:
    """All names under which a called model may have been switched off: with and without its tag."""
    name = _name(ref)
    provider, _, model_id = name.partition("/")
    bare, colon, _ = model_id.partition(":")
    return frozenset({name, f"{provider}/{bare}" if colon else f"{name}:latest"})

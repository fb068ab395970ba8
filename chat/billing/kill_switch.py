"""Kill switch for models and the banner text, shared by all processes through the database.

Guide is never switched off: it calls no provider. Models on a user-supplied key are off only
while all models are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from chat.domain.ids import storable
from chat.domain.person import OWN_KEY_PREFIX
from chat.errors import Refused, StoreFailed
from chat.store.kill_switch import SwitchStore

log = logging.getLogger(__name__)

ALL = "*"
GUIDE = "guide/"
TTL = 1.5  # seconds that a read is cached
MAX_BANNER_LENGTH = 500  # characters
MAX_REF_LENGTH = 300


@dataclass(frozen=True, slots=True)
class _State:
    off: frozenset[str] = frozenset()  # refs as an administrator wrote them
    names: frozenset[str] = frozenset()  # the same, normalized for comparison
    banner: str = ""


class KillSwitch:
    """Cached view of the switched-off models and the banner.

    The lock guards fields only and is never held during a query: while one thread refreshes an
    expired value, the others use it as it is.
    """

    def __init__(self, store: SwitchStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._state: _State | None = None  # None: never read, or invalidated
        self._last = _State()  # kept for when the database does not answer
        self._expires_at = 0.0
        self._is_refreshing = False
        self._version = 0  # bumped by every invalidation
        self._listeners: list[Callable[[], None]] = []

    def on_switched_off(self, listener: Callable[[], None]) -> None:
        """Call `listener` after a model was switched off in this process."""
        self._listeners.append(listener)

    def is_off(self, ref: str) -> bool:
        if ref.startswith(GUIDE):
            return False
        names = self._read().names
        if ALL in names:
            return True
        return (
            bool(names) and not ref.startswith(OWN_KEY_PREFIX) and not _names(ref).isdisjoint(names)
        )

    def off(self) -> frozenset[str]:
        """Return the refs that are switched off; "*" means all models but Guide."""
        return self._read().off

    def banner(self) -> str:
        return self._read().banner

    def set_off(self, ref: str, *, is_off: bool) -> None:
        """Switch "provider/model id" off or on. Raises `Refused` for a ref that cannot be off."""
        ref = storable(ref).strip()
        self._invalidate()
        same = [each for each in self.off() if _name(each) == _name(ref)]
        if is_off:
            _check(ref)
            same = same or [ref]
        for each in same:
            self._store.set_off(each, is_off=is_off)
        self._invalidate()
        log.info("%s is switched %s", ref, "off" if is_off else "on")
        if is_off:
            for listener in self._listeners:
                listener()

    def set_banner(self, text: str) -> None:
        self._store.set_banner(storable(text).strip()[:MAX_BANNER_LENGTH])
        self._invalidate()

    def _invalidate(self) -> None:
        with self._lock:
            self._state = None
            self._version += 1

    def _read(self) -> _State:
        with self._lock:
            state, version = self._state, self._version
            if state is not None and (self._clock() < self._expires_at or self._is_refreshing):
                return state
            self._is_refreshing = True
        try:
            off, banner = self._store.read()
            found = _State(off, frozenset(map(_name, off)), banner)
        except StoreFailed:
            log.warning("the kill switch could not be read")
            found = self._last
        finally:
            with self._lock:
                self._is_refreshing = False
        with self._lock:
            if version == self._version:  # otherwise this read may predate a change
                self._state = self._last = found
                self._expires_at = self._clock() + TTL
        return found


def _check(ref: str) -> None:
    if ref.startswith(GUIDE):
        raise Refused("Guide cannot be switched off: it is offline and costs nothing.")
    if ref.startswith(OWN_KEY_PREFIX):
        raise Refused("Models on a user's own key are off only while all models are.")
    if not ref:
        raise Refused("Name the model to switch off.")
    if len(ref) > MAX_REF_LENGTH:
        raise Refused(f"The name of a model has at most {MAX_REF_LENGTH} characters.")


def _name(ref: str) -> str:
    """Normalize a ref: providers ignore case and the prefix "models/"."""
    provider, _, model_id = ref.strip().casefold().partition("/")
    return f"{provider}/{model_id.removeprefix('models/')}" if model_id else provider


def _names(ref: str) -> frozenset[str]:
    """Return the names that switch this model off: with and without its tag."""
    name = _name(ref)
    provider, _, model_id = name.partition("/")
    bare, colon, _ = model_id.partition(":")
    return frozenset({name, f"{provider}/{bare}" if colon else f"{name}:latest"})

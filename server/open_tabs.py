"""Bounds on the open WebSockets of one visitor, of one address, of strangers and of the process.

Each tab keeps a WebSocket, a session in memory and about five open files. Strangers are visitors
who have not signed in or not entered the access code. Cookies are free, so they are counted by
address too, and they leave half of the room to others. This module must not know how access is
granted.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

_FILES_OF_A_TAB = 5
_OTHER_FILES = 600  # database, HTTP connections, sessions that are kept for reconnects
_WANTED_FILES = 8192
_REMEMBERED = 10_000  # visitors with access

TOO_MANY_OWN = "Too many tabs of Parley are open in this browser. Close some of them, then reload."
TOO_MANY_HERE = "Too many tabs of Parley are open on your network. Close some, then reload."
TOO_MANY = "Parley has too many visitors right now. Try again in a few minutes."


@dataclass(frozen=True)
class TabLimits:
    """Numbers of WebSockets. `of_strangers_at_address` is for people without access."""

    of_visitor: int = 30
    of_address: int = 500
    of_strangers_at_address: int = 100
    in_total: int = 1_000

    @property
    def of_strangers(self) -> int:
        return self.in_total // 2


@dataclass(eq=False)
class Tab:
    """One open WebSocket; `on_access` is called when its visitor has been granted access."""

    visitor: str  # the visitor cookie; empty for browsers without one
    address: str  # empty if unknown
    has_access: bool
    on_access: Callable[[], None] = field(default=lambda: None)


class OpenTabs:
    """The open WebSockets of this process. Thread-safe."""

    def __init__(self, limits: TabLimits) -> None:
        self._limits = limits
        self._tabs: set[Tab] = set()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._with_access: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._tabs)

    def is_known(self, visitor: str) -> bool:
        """Return whether `grant_access` was called for the visitor in this process."""
        with self._lock:
            return visitor in self._with_access

    def problem(self, tab: Tab) -> str:
        """Return why this tab cannot be opened, as a sentence for people; empty if it can."""
        with self._lock:
            return self._problem(tab)

    def add(self, tab: Tab) -> str:
        """Count the tab until `remove`; return why it cannot be opened, like `problem`."""
        with self._lock:
            if found := self._problem(tab):
                return found
            self._tabs.add(tab)
            self._counts.update(_keys(tab))
            return ""

    def remove(self, tab: Tab) -> None:
        with self._lock:
            if tab in self._tabs:
                self._tabs.discard(tab)
                self._forget(tab)

    def grant_access(self, visitor: str) -> None:
        """Count the tabs of the visitor, also later ones, as those of a person with access."""
        if not visitor:
            return
        with self._lock:
            self._with_access[visitor] = None
            self._with_access.move_to_end(visitor)
            if len(self._with_access) > _REMEMBERED:
                self._with_access.popitem(last=False)
            tabs = [each for each in self._tabs if each.visitor == visitor and not each.has_access]
            for each in tabs:
                self._forget(each)
                each.has_access = True
                self._counts.update(_keys(each))
        for each in tabs:
            each.on_access()

    def revoke_access(self, visitor: str) -> None:
        """Treat later tabs of the visitor as those of a stranger until access is granted again."""
        with self._lock:
            self._with_access.pop(visitor, None)

    def _forget(self, tab: Tab) -> None:
        self._counts.subtract(_keys(tab))
        for key in _keys(tab):
            if self._counts[key] <= 0:
                del self._counts[key]

    def _problem(self, tab: Tab) -> str:
        limits, counts = self._limits, self._counts
        if tab.visitor and counts["visitor", tab.visitor] >= limits.of_visitor:
            return TOO_MANY_OWN
        if tab.address:
            if counts["address", tab.address] >= limits.of_address:
                return TOO_MANY_HERE
            strangers = counts["strangers at address", tab.address]
            if not tab.has_access and strangers >= limits.of_strangers_at_address:
                return TOO_MANY_HERE
        if not tab.has_access and counts["strangers", ""] >= limits.of_strangers:
            return TOO_MANY
        return TOO_MANY if len(self._tabs) >= limits.in_total else ""


def _keys(tab: Tab) -> list[tuple[str, str]]:
    keys = [("visitor", tab.visitor), ("address", tab.address)]
    if not tab.has_access:
        keys += [("strangers at address", tab.address), ("strangers", "")]
    return keys


def limits_of_process() -> TabLimits:
    """Return limits for the open files that the host allows, after raising that number."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return TabLimits()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = _WANTED_FILES if soft == resource.RLIM_INFINITY else soft
    total = max(20, min(TabLimits.in_total, (files - _OTHER_FILES) // _FILES_OF_A_TAB))
    return TabLimits(
        of_address=min(TabLimits.of_address, total * 3 // 4),
        of_strangers_at_address=min(TabLimits.of_strangers_at_address, total // 4),
        in_total=total,
    )

"""What processes cost, read from /proc (Linux only): CPU time and memory of whole trees."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    ticks: int  # user and system, children that have ended included
    pages: int


def _stats() -> dict[int, _Stat]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in parentheses may hold anything; what follows it does not.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks = sum(int(each) for each in fields[11:15])
            found[int(entry.name)] = _Stat(int(fields[1]), ticks, int(fields[21]))
    return found


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    stats = _stats()
    return _below(pid, stats)


def _below(pid: int, stats: dict[int, _Stat]) -> list[int]:
    children: dict[int, list[int]] = {}
    for each, stat in stats.items():
        children.setdefault(stat.parent, []).append(each)
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        if each in stats:
            found.append(each)
            waiting += children.get(each, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a tree so far."""
    stats = _stats()
    return sum(stats[each].ticks for each in _below(pid, stats)) / _TICK


def resident_mb(pid: int) -> float:
    """Resident memory of a tree; pages that processes share count for each."""
    stats = _stats()
    return sum(stats[each].pages for each in _below(pid, stats)) * _PAGE / 2**20


def wait_idle(pids: list[int], seconds: float = 60) -> None:
    """Wait until trees do next to nothing: what one app still works off must not slow the next."""
    by = time.monotonic() + seconds
    while time.monotonic() < by:
        before = sum(map(cpu_seconds, pids))
        time.sleep(1)
        if sum(map(cpu_seconds, pids)) - before < 0.06:
            return

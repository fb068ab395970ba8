"""CPU time and memory of process trees, read from /proc (Linux only)."""

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
    ticks: int  # user and system time, including exited children
    pages: int


def _stats() -> dict[int, _Stat]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The process name in parentheses may contain any character.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks = sum(int(each) for each in fields[11:15])
            found[int(entry.name)] = _Stat(int(fields[1]), ticks, int(fields[21]))
    return found


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
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
    """Return the user and system time of a process tree in seconds."""
    stats = _stats()
    return sum(stats[each].ticks for each in _below(pid, stats)) / _TICK


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process tree in MiB; shared pages count for each process."""
    stats = _stats()
    return sum(stats[each].pages for each in _below(pid, stats)) * _PAGE / 2**20


def wait_idle(pids: list[int], seconds: float = 60) -> None:
    """Wait until the process trees are nearly idle, so that no app slows the next measurement."""
    by = time.monotonic() + seconds
    while time.monotonic() < by:
        before = sum(map(cpu_seconds, pids))
        time.sleep(1)
        if sum(map(cpu_seconds, pids)) - before < 0.06:
            return

"""Render results as Markdown tables with medians and ratios to Parley's values.

Pure. The input is the output of the measuring modules, or the same data from the JSON file.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

Measures = Mapping[str, float | None]

OURS = "Parley"
_REPLIES = {
    "request_ms": ("submit → request at the provider, ms", 1),
    "first_ms": ("submit → first text visible, ms", 1),
    "end_late_ms": ("{paced:,} tokens at {pace:g}/s: last token → end visible, ms", 1),
    "wire_kb": ("… kB on the wire", 1),
    "server_cpu_s": ("… server CPU, s", 1),
    "browser_cpu_s": ("… browser CPU, s", 1),
    "at_once_ms": ("{at_once:,} tokens at once: submit → end visible, s", 1000),
}
_START = {
    "answers_ms": ("command → the port answers, s", 1000),
    "usable_ms": ("command → a page that can be used, s", 1000),
    "idle_mb": ("memory after the first reply, MB", 1),
    "tab_mb": ("… more per open tab, MB", 1),
    "reply_mb": ("… more per running reply, MB", 1),
}
_CROWD = {
    "request_ms": ("submit → request, ms, the slowest", 1),
    "first_late_ms": ("first text late, ms, the worst", 1),
    "end_late_ms": ("end late, ms, the worst", 1),
    "worst_lag_ms": ("any text late, ms, the worst", 1),
    "cpu_s_per_1000_tokens": ("CPU per 1,000 tokens, s", 1),
    "lost": ("replies lost", 1),
}


def median(once: Iterable[Measures], name: str) -> float | None:
    """Return the median, counting unfinished runs as infinite; None if most did not finish."""
    values = [each.get(name) for each in once]
    if not values:
        return None
    middle = statistics.median_low([float("inf") if value is None else value for value in values])
    return None if middle == float("inf") else middle


def number(value: float | None, divisor: float = 1) -> str:
    """Format a value with three significant digits."""
    if value is None:
        return "–"
    value /= divisor
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(value: float | None, ours: float | None) -> str:
    if value is None or ours is None or value <= 0 or ours <= 0:
        return ""
    times = value / ours
    return f"{times:,.0f}×" if times >= 10 else f"{times:.2g}×"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    aligned = ["---", *("---:" for _ in head[1:])]
    lines = [head, aligned, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _compared(
    results: Mapping[str, Sequence[Measures]], rows: Mapping[str, tuple[str, float]]
) -> str:
    """Return a table with one column per app: the values and their ratios to Parley's."""
    apps = [OURS, *(name for name in results if name != OURS)]
    lines = []
    for name, (label, divisor) in rows.items():
        ours = median(results.get(OURS, ()), name)
        cells = [number(ours, divisor)]
        for app in apps[1:]:
            value = median(results[app], name)
            known = any(name in each and each[name] is not None for each in results[app])
            times = ratio(value, ours)
            cells.append(f"{number(value, divisor)} {f'({times})' if times else ''}".strip())
            if not known and name in {"end_late_ms", "at_once_ms"}:
                cells[-1] = "not finished"
        lines.append([label, *cells])
    return markdown(["", *apps], lines)


def replies(results: Mapping[str, Sequence[Measures]], sizes: Mapping[str, float]) -> str:
    rows = {name: (label.format(**sizes), divisor) for name, (label, divisor) in _REPLIES.items()}
    return _compared(results, rows)


def start(results: Mapping[str, Sequence[Measures]]) -> str:
    return _compared(results, _START)


def _by_size(
    results: Mapping[str, Mapping[str, Sequence[Measures]]],
    unit: str,
    columns: Mapping[str, tuple[str, float]],
) -> str:
    """Return a table with one row per size and one column per measure and app."""
    apps = [OURS, *(name for name in results if name != OURS)]
    head = [unit, *(f"{label}: {app}" for label, _ in columns.values() for app in apps)]
    sizes = sorted({size for app in apps for size in results.get(app, {})}, key=int)
    rows = []
    for size in sizes:
        cells = [
            number(median(results.get(app, {}).get(size, ()), name), divisor)
            for name, (_, divisor) in columns.items()
            for app in apps
        ]
        rows.append([f"{int(size):,}", *cells])
    return markdown(head, rows)


def reply_curve(results: Mapping[str, Mapping[str, Sequence[Measures]]]) -> str:
    columns = {"wire_kb": ("kB", 1.0), "server_cpu_s": ("server CPU, s", 1.0)}
    return _by_size(results, "tokens of the reply", columns)


def conversation_curve(results: Mapping[str, Mapping[str, Sequence[Measures]]]) -> str:
    columns = {
        "open_ms": ("opening, s", 1000.0),
        "request_ms": ("→ request, ms", 1.0),
        "first_ms": ("→ first text, ms", 1.0),
    }
    return _by_size(results, "messages before", columns)


def crowd(results: Mapping[str, Mapping[str, Sequence[Measures]]]) -> str:
    """Return a table with a block of rows per app and a column per number of replies."""
    sizes = sorted({size for by_size in results.values() for size in by_size}, key=int)
    rows = []
    for app in [OURS, *(name for name in results if name != OURS)]:
        for name, (label, divisor) in _CROWD.items():
            by_size = results.get(app, {})
            cells = [number(median(by_size.get(size, ()), name), divisor) for size in sizes]
            rows.append([f"{app}: {label}", *cells])
    return markdown(["replies at once", *sizes], rows)


def stops(results: Mapping[str, Sequence[Measures]]) -> str:
    """Return a table with one row per moment; a stop that never arrived counts as infinite."""
    rows = []
    for moment, once in results.items():
        values = [each["stop_ms"] for each in once]
        longest = None if None in values else max(value for value in values if value is not None)
        rows.append([moment, number(median(once, "stop_ms")), number(longest)])
    return markdown(["Stop pressed", "median, ms", "longest, ms"], rows)


def shares(found: Mapping[str, float], what: str) -> str:
    rows = [[name.replace("|", "\\|"), f"{share:.0%}"] for name, share in found.items()]
    return markdown([what, "share"], [row for row in rows if row[1] != "0%"])

"""Puts results into `docs/benchmarks.md`: what stands between two marks is made anew, no more.

<!-- replies -->
…
<!-- end of replies -->
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import tables

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
PAGE = ROOT / "docs" / "benchmarks.md"


def load(path: Path = RESULTS) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def keep(part: str, told: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Put one part in place of what was measured of it before."""
    known = {**load(path), part: told}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")


def filled(page: str, results: Mapping[str, Any]) -> str:
    """`page` with a new table for each part that was measured."""
    for part, told in results.items():
        if part not in PARTS:
            continue
        made = f"{_conditions(told['taken'])}\n\n{PARTS[part](told)}"
        before, begin, rest = page.partition(f"<!-- {part} -->\n")
        _, end, after = rest.partition(f"<!-- end of {part} -->")
        if end:
            page = f"{before}{begin}\n{made}\n\n{end}{after}"
    return page


def write() -> None:
    PAGE.write_text(filled(PAGE.read_text("utf-8"), load()), "utf-8")


def _conditions(taken: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in taken["versions"].items())
    return (
        f"*{taken['at']}, commit {taken['commit']}; {taken['machine']}, {taken['system']}, "
        f"load {taken['load']} at the beginning; Python {taken['python']}, {versions}. "
        f"{taken['sizes']}.*"
    )


def _profile(told: Mapping[str, Any]) -> str:
    said = []
    for name in ("reply", "rerun"):
        one = told["results"][name]
        said.append(f"**One {one['per']}: {one['cpu_s']:.2f} s of CPU.**")
        if "median_ms" in one:
            said[-1] += f" {one['median_ms']:.0f} ms each, in the median."
        said.append(tables.shares(one["areas"], "where"))
        said.append(tables.shares(one["own"], "innermost line of ours"))
        said.append(tables.shares(one["functions"], "innermost function"))
    return "\n\n".join(said)


PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "replies": lambda told: tables.replies(told["results"], told["asked"]),
    "length": lambda told: tables.reply_curve(told["results"]),
    "conversations": lambda told: tables.conversation_curve(told["results"]),
    "crowd": lambda told: tables.crowd(told["results"]),
    "stop": lambda told: tables.stops(told["results"]),
    "start": lambda told: tables.start(told["results"]),
    "profile": _profile,
}

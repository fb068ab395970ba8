"""Write results into `docs/benchmarks.md`, replacing only the text between two marks:

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


def save(part: str, result: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Replace the stored result of one part."""
    results = {**load(path), part: result}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")


def filled(page: str, results: Mapping[str, Any]) -> str:
    """Return `page` with a new table for each measured part."""
    for part, result in results.items():
        if part not in PARTS:
            continue
        made = f"{_conditions(result['taken'])}\n\n{PARTS[part](result)}"
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


def _profile(result: Mapping[str, Any]) -> str:
    paragraphs = []
    for name in ("reply", "rerun"):
        one = result["results"][name]
        paragraphs.append(f"**One {one['per']}: {one['cpu_s']:.2f} s of CPU.**")
        if "median_ms" in one:
            paragraphs[-1] += f" {one['median_ms']:.0f} ms each (median)."
        paragraphs.append(tables.shares(one["areas"], "area"))
        paragraphs.append(tables.shares(one["own"], "innermost line of Parley"))
        paragraphs.append(tables.shares(one["functions"], "innermost function"))
    return "\n\n".join(paragraphs)


PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "replies": lambda result: tables.replies(result["results"], result["asked"]),
    "length": lambda result: tables.reply_curve(result["results"]),
    "conversations": lambda result: tables.conversation_curve(result["results"]),
    "crowd": lambda result: tables.crowd(result["results"]),
    "stop": lambda result: tables.stops(result["results"]),
    "start": lambda result: tables.start(result["results"]),
    "profile": _profile,
}

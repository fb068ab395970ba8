"""Profile Parley with py-spy during a reply and during reruns of the page.

Shares refer to samples in which Python held the GIL, so time spent in SQLite, sockets or other C
libraries is missing. The profiler itself slows the app down slightly.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.apps.parley import Parley
from benchmarks.environments import installed
from benchmarks.processes import cpu_seconds
from benchmarks.provider import question
from benchmarks.streamlit_client import Tab, run
from benchmarks.words import end, new_name

# A sample belongs to the area of its innermost matching frame; the first matching area wins.
_AREAS = (
    ("database", ("sqlalchemy", "chat/store", "sqlite3")),
    ("counting tokens", ("chat/providers/tokenizer", "tiktoken")),
    ("provider: SDK and HTTP", ("openai", "httpx2", "httpcore", "chat/providers", "h11", "anyio")),
    ("reply loop", ("chat/replies",)),
    ("Markdown: blocks and safety", ("pages/markdown",)),
    ("websocket and server", ("uvicorn", "starlette", "websockets")),
    ("Streamlit: sessions and queues", ("streamlit/runtime", "streamlit/web")),
    ("Streamlit: elements", ("streamlit", "protobuf")),
    ("pages", ("pages/", "app.py")),
    ("asyncio itself", ("/asyncio/",)),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    tokens: int = 4000
    pace: float = 200
    reruns: int = 200
    rate: int = 200  # samples per second


TINY = Sizes(tokens=300, reruns=20)


def measure(provider_url: str, sizes: Sizes) -> dict[str, Any]:
    """Return the shares of CPU samples by area and by function, per reply and per rerun."""
    spy = installed("py-spy") / "py-spy"
    with Parley(provider_url) as app:
        return run(_measure(spy, app, sizes))


async def _measure(spy: Path, app: Any, sizes: Sizes) -> dict[str, Any]:
    async with Tab(app.url) as tab:
        await _ask(tab, 250, None)
        with _Recording(spy, app, "reply", sizes.rate) as reply:
            await _ask(tab, sizes.tokens, sizes.pace)
        durations = []
        with _Recording(spy, app, "rerun", sizes.rate) as rerun:
            for _ in range(sizes.reruns):
                durations.append(await tab.rerun())
        return {
            "reply": {**reply.shares(), "per": f"reply of {sizes.tokens} tokens"},
            "rerun": {
                **rerun.shares(sizes.reruns),
                "per": "rerun of a page with two replies",
                "median_ms": sorted(durations)[len(durations) // 2],
            },
        }


async def _ask(tab: Tab, tokens: int, pace: float | None) -> None:
    name = new_name()
    await tab.ask(question(name, tokens, pace), [end(name)])


class _Recording:
    """A py-spy recording: `with _Recording(…) as recording:`, then `recording.shares()`."""

    def __init__(self, spy: Path, app: Any, name: str, rate: int) -> None:
        self._file, self._pid, self._cpu = app.folder / f"stacks-{name}", app.pid, 0.0
        self._command = [str(spy), "record", "--pid", str(app.pid), "--rate", str(rate)]
        self._command += ["--format", "raw", "--output", str(self._file)]
        self._command += ["--duration", "unlimited", "--full-filenames", "--gil"]

    def __enter__(self) -> _Recording:
        self._spy = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._spy.stdout is not None
        self._spy.stdout.readline()  # printed when sampling begins
        self._cpu = cpu_seconds(self._pid)
        return self

    def __exit__(self, *_: object) -> None:
        self._cpu = cpu_seconds(self._pid) - self._cpu
        self._spy.send_signal(signal.SIGINT)
        self._spy.communicate(timeout=60)

    def shares(self, times: int = 1) -> dict[str, Any]:
        areas: Counter[str] = Counter()
        functions: Counter[str] = Counter()
        lines: Counter[str] = Counter()
        for line in self._file.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            frames = stack.split(";")
            areas[_area(frames)] += int(count)
            functions[_short(frames[-1])] += int(count)
            own = [frame for frame in frames if _is_own(frame)]
            if own:
                lines[_short(own[-1])] += int(count)
        total = max(1, areas.total())
        return {
            "cpu_s": self._cpu / times,
            "areas": {name: count / total for name, count in areas.most_common()},
            "functions": {name: count / total for name, count in functions.most_common(12)},
            "own": {name: count / total for name, count in lines.most_common(12)},
        }


def _area(frames: list[str]) -> str:
    for frame in reversed(frames):
        for name, parts in _AREAS:
            if any(part in frame for part in parts):
                return name
    return "other"


_HERE = str(Path(__file__).parents[1])


def _is_own(frame: str) -> bool:
    return _HERE in frame and "site-packages" not in frame


def _short(frame: str) -> str:
    """Return `function (file:line)`, with the file relative to its root folder."""
    name, _, place = frame.partition(" (")
    place = place.removeprefix(f"{_HERE}/").rpartition("site-packages/")[2]
    if place.startswith("/"):  # Python's own library
        place = re.sub(r".*/lib/python3[.\d]*/", "", place)
    return f"{name} ({place}"

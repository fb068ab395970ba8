"""Startup time until the page is usable, and memory: idle, per tab and per running reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.apps.server import StreamlitServer
from benchmarks.browser import Chromium
from benchmarks.clock import now_ms
from benchmarks.processes import resident_mb
from benchmarks.provider import question
from benchmarks.streamlit_client import Tab, run
from benchmarks.words import end, new_name

Measures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Sizes:
    repetitions: int = 5
    tabs: int = 10
    tokens: int = 600
    pace: float = 50


TINY = Sizes(repetitions=1, tabs=2, tokens=100)


def measure(
    apps: list[Callable[[], StreamlitServer]], chromium: Chromium, sizes: Sizes
) -> dict[str, list[Measures]]:
    """Start each app for each repetition and return its measures by app name."""
    found: dict[str, list[Measures]] = {}
    for _ in range(sizes.repetitions):
        for make in apps:
            app = make()
            found.setdefault(app.name, []).append(_once(app, chromium, sizes))
            print(f"  {app.name} started and measured", flush=True)
    return found


def _once(app: StreamlitServer, chromium: Chromium, sizes: Sizes) -> Measures:
    app.prepare()
    started = now_ms()
    app.launch()
    try:
        app.wait()
        answers = now_ms() - started
        with chromium.visit(app) as visit:
            usable = now_ms() - started
            visit.wait_loaded()
            visit.ask(20)
        idle = resident_mb(app.pid)
        per_tab, per_reply = run(_memory(app, sizes))
    finally:
        app.stop()
    return {
        "answers_ms": answers,
        "usable_ms": usable,
        "idle_mb": idle,
        "tab_mb": per_tab,
        "reply_mb": per_reply,
    }


async def _memory(app: StreamlitServer, sizes: Sizes) -> tuple[float, float]:
    """Return the additional memory per open tab and per running reply, in MB."""
    async with Tab(app.url) as first:  # exclude what the first tab loads once
        await _ask(first, sizes.tokens // 10, None)
    before = resident_mb(app.pid)
    tabs = [Tab(app.url) for _ in range(sizes.tabs)]
    try:
        for tab in tabs:
            await tab.open()
        opened = resident_mb(app.pid)
        asked = [asyncio.create_task(_ask(tab, sizes.tokens, sizes.pace)) for tab in tabs]
        await asyncio.sleep(sizes.tokens / sizes.pace * 0.8)
        running = resident_mb(app.pid)
        await asyncio.gather(*asked)
    finally:
        for tab in tabs:
            await tab.close()
    return (opened - before) / sizes.tabs, (running - opened) / sizes.tabs


async def _ask(tab: Tab, tokens: int, pace: float | None) -> None:
    name = new_name()
    await tab.ask(question(name, tokens, pace), [end(name)])

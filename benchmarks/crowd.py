"""Concurrent replies in one process: latency of the text and CPU time per token.

The clients are tabs without a browser, so that the load of fifty Chromiums is not measured.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from benchmarks.apps.server import StreamlitServer
from benchmarks.processes import cpu_seconds, wait_idle
from benchmarks.provider import question
from benchmarks.provider_process import ProviderProcess
from benchmarks.streamlit_client import FollowedReply, Tab, run, warm
from benchmarks.words import end, mark, marks, new_name

Measures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Sizes:
    repetitions: int = 3
    crowds: tuple[int, ...] = (1, 10, 25, 50)
    tokens: int = 1000
    pace: float = 50
    spread: float = 1.0  # seconds within which all users press Enter
    timeout: float = 120


TINY = Sizes(repetitions=1, crowds=(1, 4), tokens=150, timeout=30)


def measure(
    apps: list[StreamlitServer], provider: ProviderProcess, sizes: Sizes
) -> dict[str, dict[str, list[Measures]]]:
    """Return the measures of each repetition, by app name and number of concurrent replies."""
    found: dict[str, dict[str, list[Measures]]] = {app.name: {} for app in apps}
    for app in apps:
        run(warm(app.url))
    for crowd in sizes.crowds:
        for _ in range(sizes.repetitions):
            for app in apps:
                wait_idle([each.pid for each in apps])
                provider.clear()
                once = run(_once(app, provider, crowd, sizes))
                found[app.name].setdefault(str(crowd), []).append(once)
                print(f"  {app.name}, {crowd} at once: done", flush=True)
    return found


async def _once(
    app: StreamlitServer, provider: ProviderProcess, crowd: int, sizes: Sizes
) -> Measures:
    tabs = [Tab(app.url) for _ in range(crowd)]
    try:
        for tab in tabs:
            await tab.open()
        names = [new_name() for _ in tabs]
        cpu, started = cpu_seconds(app.pid), time.monotonic()
        follow = (
            _follow(tab, name, number * sizes.spread / crowd, sizes)
            for number, (tab, name) in enumerate(zip(tabs, names, strict=True))
        )
        followed = await asyncio.gather(*follow)
        duration, cpu = time.monotonic() - started, cpu_seconds(app.pid) - cpu
    finally:
        for tab in tabs:
            await tab.close()
    return _summarize(dict(zip(names, followed, strict=True)), provider, sizes, cpu, duration)


async def _follow(tab: Tab, name: str, after: float, sizes: Sizes) -> FollowedReply:
    await asyncio.sleep(after)
    words = [word for _, word in marks(name, sizes.tokens)]
    timeout = sizes.timeout + sizes.tokens / sizes.pace
    return await tab.ask(question(name, sizes.tokens, sizes.pace), words, timeout)


def _summarize(
    followed: dict[str, FollowedReply],
    provider: ProviderProcess,
    sizes: Sizes,
    cpu: float,
    duration: float,
) -> Measures:
    """Return the worst value over all replies; a missing or incomplete reply counts as `lost`."""
    all_written = provider.all_written()
    requests, firsts, ends, lags, lost = [], [], [], [], 0
    for name, seen in followed.items():
        written = all_written.get(name)
        if written is None or end(name) not in seen.seen:
            lost += 1
            continue
        late = {
            word: seen.seen[word] - written.tokens[place]
            for place, word in marks(name, sizes.tokens)
        }
        requests.append(written.arrived - seen.submitted)
        firsts.append(late[mark(name, 0)])
        ends.append(late[end(name)])
        lags.append(max(late.values()))
    tokens = sizes.tokens * (len(followed) - lost)
    return {
        "request_ms": max(requests, default=None),
        "first_late_ms": max(firsts, default=None),
        "end_late_ms": max(ends, default=None),
        "worst_lag_ms": max(lags, default=None),
        "cpu_s_per_1000_tokens": cpu / tokens * 1000 if tokens else None,
        "busy_share": cpu / duration,
        "lost": float(lost),
    }

"""Scaling: bytes and CPU time by reply length, latency by conversation length."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from benchmarks.apps.parley import Parley
from benchmarks.apps.server import StreamlitServer
from benchmarks.browser import Chromium, Visit
from benchmarks.clock import now_ms
from benchmarks.processes import cpu_seconds
from benchmarks.provider import question
from benchmarks.provider_process import ProviderProcess
from benchmarks.relay import Relay
from benchmarks.streamlit_client import Tab, run, warm
from benchmarks.words import end, new_name

Measures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Sizes:
    repetitions: int = 3
    replies: tuple[int, ...] = (500, 1000, 2000, 4000, 8000, 16000)
    pace: float = 200
    conversations: tuple[int, ...] = (10, 100, 500, 2000)
    asked: int = 5  # short questions in each conversation
    timeout: float = 120


TINY = Sizes(repetitions=1, replies=(100, 200), conversations=(10, 40), asked=1, timeout=60)


def by_reply(
    apps: list[StreamlitServer], provider: ProviderProcess, sizes: Sizes
) -> dict[str, dict[str, list[Measures]]]:
    """Return bytes and server CPU time, by app name and number of tokens in the reply."""
    found: dict[str, dict[str, list[Measures]]] = {app.name: {} for app in apps}
    for app in apps:
        run(warm(app.url))
    for tokens in sizes.replies:
        for _ in range(sizes.repetitions):
            for app in apps:
                with Relay(app.port) as relay:
                    once = run(_reply(app, relay, tokens, sizes))
                found[app.name].setdefault(str(tokens), []).append(once)
        print(f"  replies of {tokens} tokens: done", flush=True)
    return found


async def _reply(app: StreamlitServer, relay: Relay, tokens: int, sizes: Sizes) -> Measures:
    async with Tab(relay.url) as tab:
        name = new_name()
        down, cpu = relay.down, cpu_seconds(app.pid)
        timeout = sizes.timeout + tokens / sizes.pace
        seen = await tab.ask(question(name, tokens, sizes.pace), [end(name)], timeout)
        is_whole = end(name) in seen.seen
        return {
            "wire_kb": (relay.down - down) / 1000 if is_whole else None,
            "messages": float(seen.messages),
            "server_cpu_s": cpu_seconds(app.pid) - cpu if is_whole else None,
        }


def by_conversation(
    apps: list[StreamlitServer], provider: ProviderProcess, chromium: Chromium, sizes: Sizes
) -> dict[str, dict[str, list[Measures]]]:
    """Return the times to open and to first text, by app name and number of messages."""
    found: dict[str, dict[str, list[Measures]]] = {app.name: {} for app in apps}
    for app in apps:
        run(warm(app.url))
    for messages in sizes.conversations:
        for _ in range(sizes.repetitions):
            for app in apps:
                provider.clear()
                once = _conversation(app, provider, chromium, messages, sizes)
                found[app.name].setdefault(str(messages), []).append(once)
        print(f"  conversations of {messages} messages: done", flush=True)
    return found


def _conversation(
    app: StreamlitServer,
    provider: ProviderProcess,
    chromium: Chromium,
    messages: int,
    sizes: Sizes,
) -> Measures:
    query = "" if isinstance(app, Parley) else f"?messages={messages}"
    with chromium.visit(app, query=query) as visit:
        if isinstance(app, Parley):
            visit.ask(250, timeout=sizes.timeout)  # creates the conversation
            visit.wait_usable()
            app.lengthen(messages - 2)
        visit.reload()
        visit.wait_loaded()
        started = now_ms()
        visit.reload()
        opening = now_ms() - started
        visit.wait_loaded()
        return {"open_ms": opening, **_first_text(visit, provider, sizes)}


def _first_text(visit: Visit, provider: ProviderProcess, sizes: Sizes) -> Measures:
    requests, firsts = [], []
    for _ in range(sizes.asked):
        seen = visit.ask(20, timeout=sizes.timeout)
        if seen.first is None:
            return {"request_ms": None, "first_ms": None}
        requests.append(provider.written(seen.name).arrived - seen.submitted)
        firsts.append(seen.first - seen.submitted)
        visit.wait_usable()
        time.sleep(0.5)  # let the app become idle
    return {"request_ms": statistics.median(requests), "first_ms": statistics.median(firsts)}

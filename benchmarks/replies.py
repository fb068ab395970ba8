"""The main table: sequential replies in each app, with the apps taking turns."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from benchmarks.apps.sdk import Sdk
from benchmarks.apps.server import Server
from benchmarks.browser import Chromium, Seen, Visit
from benchmarks.processes import cpu_seconds, wait_idle
from benchmarks.provider_process import ProviderProcess
from benchmarks.relay import Relay

QUIET = 1.0  # seconds without a byte from the app after which it is considered done
LONGEST_QUIET = 20.0
WARM_UP = 250  # tokens, with a code block, so that all resources of the page are loaded

Measures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Amount of work; a reply that exceeds `timeout` seconds counts as not finished."""

    repetitions: int = 5
    short: int = 5  # short replies in each repetition, for the latency to the provider
    paced: int = 4000
    pace: float = 200
    at_once: int = 8000
    timeout: float = 240


TINY = Sizes(repetitions=1, short=2, paced=200, at_once=400, timeout=60)


def measure(
    apps: list[Server], provider: ProviderProcess, chromium: Chromium, sizes: Sizes
) -> dict[str, list[Measures]]:
    """Return the measures of each repetition, by app name; None if a reply did not finish."""
    found: dict[str, list[Measures]] = {app.name: [] for app in apps}
    for app in apps:
        if not isinstance(app, Sdk):  # do not measure the first visit after a start
            with chromium.visit(app) as visit:
                visit.wait_loaded()
                visit.ask(WARM_UP, timeout=15)
    for repetition in range(sizes.repetitions):
        turn = repetition % len(apps)
        for app in [*apps[turn:], *apps[:turn]]:
            started = time.monotonic()
            wait_idle([chromium.pid, *(each.pid for each in apps)])
            provider.clear()
            found[app.name].append(_once(app, provider, chromium, sizes))
            print(f"  {app.name}: {time.monotonic() - started:.0f} s", flush=True)
    return found


def _once(app: Server, provider: ProviderProcess, chromium: Chromium, sizes: Sizes) -> Measures:
    if isinstance(app, Sdk):
        app.ask(WARM_UP)
        return {
            **_short(app, provider, sizes),
            **_paced(app, provider, sizes, None, None),
            **_at_once(app, sizes),
        }
    with Relay(app.port) as relay:
        with chromium.visit(app, relay.url) as visit:
            _warm(visit, relay)
            short = _short(visit, provider, sizes)
        with chromium.visit(app, relay.url) as visit:
            _warm(visit, relay)
            paced = _paced(visit, provider, sizes, relay, chromium, app)
        with chromium.visit(app, relay.url) as visit:
            _warm(visit, relay)
            return {**short, **paced, **_at_once(visit, sizes)}


def _warm(visit: Visit, relay: Relay) -> None:
    visit.wait_loaded()
    for pace in (None, 500):
        visit.ask(WARM_UP, pace, timeout=30)
        visit.wait_usable()
        _settle(relay)


def _short(asked: Visit | Sdk, provider: ProviderProcess, sizes: Sizes) -> Measures:
    to_provider, to_page = [], []
    for _ in range(sizes.short):
        seen = asked.ask(20, timeout=sizes.timeout)
        if isinstance(asked, Visit):
            asked.wait_usable()
        if seen.first is None:
            return {"request_ms": None, "first_ms": None}
        written = provider.written(seen.name)
        to_provider.append(written.arrived - seen.submitted)
        to_page.append(seen.first - seen.submitted)
    return {
        "request_ms": statistics.median(to_provider),
        "first_ms": statistics.median(to_page),
    }


def _paced(
    asked: Visit | Sdk,
    provider: ProviderProcess,
    sizes: Sizes,
    relay: Relay | None,
    chromium: Chromium | None,
    app: Server | None = None,
) -> Measures:
    server = app or asked
    assert isinstance(server, Server)
    before = cpu_seconds(server.pid), cpu_seconds(chromium.pid) if chromium else 0.0
    bytes_before = relay.down if relay else 0
    timeout = sizes.timeout + sizes.paced / sizes.pace
    seen: Seen = asked.ask(sizes.paced, sizes.pace, timeout=timeout)
    _settle(relay)
    late = None if seen.end is None else seen.end - provider.written(seen.name).last
    return {
        "end_late_ms": late,
        "wire_kb": (relay.down - bytes_before) / 1000 if relay else None,
        "server_cpu_s": cpu_seconds(server.pid) - before[0],
        "browser_cpu_s": cpu_seconds(chromium.pid) - before[1] if chromium else None,
    }


def _at_once(asked: Visit | Sdk, sizes: Sizes) -> Measures:
    seen = asked.ask(sizes.at_once, timeout=sizes.timeout)
    return {"at_once_ms": None if seen.end is None else seen.end - seen.submitted}


def _settle(relay: Relay | None) -> None:
    """Wait until the app is done; work after the last word belongs to the reply."""
    by = time.monotonic() + LONGEST_QUIET
    while relay is not None and relay.quiet_for() < QUIET and time.monotonic() < by:
        time.sleep(0.05)

"""Time from pressing Stop until the provider sees the connection close."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.apps.parley import Parley
from benchmarks.browser import Chromium, Visit
from benchmarks.clock import from_wall
from benchmarks.provider import question
from benchmarks.provider_process import ProviderProcess
from benchmarks.words import mark, new_name

Measures = dict[str, float | None]

# name: (delay of the first word in ms, whether to wait for words before pressing Stop)
MOMENTS = {"before the first word": (20_000, False), "in the middle": (0, True)}
_BUTTON = ".st-key-stop button"
_NOTE = """(selector) => document.querySelector(selector).addEventListener("pointerdown",
  (event) => { __bench.stopped = performance.timeOrigin + event.timeStamp }, true)"""
TIMEOUT = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Sizes:
    repetitions: int = 10
    tokens: int = 4000
    pace: float = 50


TINY = Sizes(repetitions=1)


def measure(
    app: Parley, provider: ProviderProcess, chromium: Chromium, sizes: Sizes
) -> dict[str, list[Measures]]:
    """Return the measures of each repetition by moment."""
    found: dict[str, list[Measures]] = {moment: [] for moment in MOMENTS}
    with chromium.visit(app) as visit:
        visit.wait_loaded()
        visit.ask(100)
        for _ in range(sizes.repetitions):
            for moment, (delay, has_words) in MOMENTS.items():
                visit.wait_usable()
                found[moment].append(
                    {"stop_ms": _once(visit, provider, sizes, delay, has_words=has_words)}
                )
    return found


def _once(
    visit: Visit, provider: ProviderProcess, sizes: Sizes, delay: int, *, has_words: bool
) -> float | None:
    name = new_name()
    box = visit.page.locator(".st-key-composer textarea")
    box.fill(question(name, sizes.tokens, sizes.pace, delay))
    box.press("Enter")
    visit.page.locator(_BUTTON).wait_for()
    if has_words:
        visit.page.get_by_text(mark(name, 1)).wait_for()
    visit.page.evaluate(_NOTE, _BUTTON)
    visit.page.locator(_BUTTON).click()
    pressed = from_wall(visit.page.evaluate("() => __bench.stopped"))
    by = time.monotonic() + TIMEOUT
    while time.monotonic() < by:
        if (cut := provider.cut_at(name)) is not None:
            return cut - pressed
        time.sleep(0.05)
    return None

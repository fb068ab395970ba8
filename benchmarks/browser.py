"""Drive Chromium: open a page, type, and record when words appear.

The page records the times itself (a key press, a word in the DOM), so that delays of the driver are
not measured. While a reply runs, the driver only polls every 0.2 s for its completion.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from benchmarks.apps.server import Server
from benchmarks.clock import from_wall
from benchmarks.provider import question
from benchmarks.words import end, mark, new_name

_INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# Inspect changed nodes only, so that the observer costs the same in each app.
_WATCH = """(() => {
  const bench = window.__bench = {submitted: 0, seen: {}, wanted: []}
  const now = () => performance.timeOrigin + performance.now()
  const look = (text) => {
    for (const word of bench.wanted.filter((each) => text.includes(each))) {
      bench.seen[word] = now()
      bench.wanted = bench.wanted.filter((each) => each !== word)
    }
  }
  addEventListener("keydown", (event) => {
    if (event.key === "Enter") bench.submitted = performance.timeOrigin + event.timeStamp
  }, true)
  new MutationObserver((records) => {
    if (!bench.wanted.length) return
    for (const record of records) {
      if (record.type === "characterData") look(record.target.data)
      else for (const node of record.addedNodes) look(node.textContent || "")
    }
  }).observe(document, {subtree: true, childList: true, characterData: true})
})()"""


@dataclass(frozen=True, slots=True)
class Seen:
    """Times in milliseconds of the monotonic clock; None if the timeout expired first."""

    name: str
    submitted: float
    first: float | None
    end: float | None


class Chromium:
    """One browser for all apps, with a new context for each visit. Use it as a context manager."""

    def __enter__(self) -> Chromium:
        self._playwright = sync_playwright().start()
        path = next(filter(None, map(shutil.which, _INSTALLED)), None)
        self._browser: Browser = self._playwright.chromium.launch(
            executable_path=path, args=_OPTIONS
        )
        self.version = self._browser.version
        session = self._browser.new_browser_cdp_session()
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        self.pid = next(int(each["id"]) for each in processes if each["type"] == "browser")
        session.detach()
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def visit(self, app: Server, url: str = "", query: str = "") -> Visit:
        """Open the app as a new visitor and wait until the page is usable."""
        context = self._browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(_WATCH)
        return Visit(context.new_page(), app, (url or app.url) + query)


class Visit:
    """One open page: `with chromium.visit(app) as visit:`."""

    def __init__(self, page: Page, app: Server, url: str) -> None:
        self.page, self._app = page, app
        self.page.goto(url)
        self.wait_usable()

    def wait_loaded(self) -> None:
        """Wait until the network is idle: some apps show the text field before they can send."""
        with contextlib.suppress(PlaywrightTimeout):  # some apps poll forever
            self.page.wait_for_load_state("networkidle", timeout=5000)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.context.close()

    def wait_usable(self, seconds: float = 120) -> None:
        box = self.page.locator(self._app.box).first
        box.wait_for(timeout=seconds * 1000)
        if self._app.settled:
            self.page.locator(self._app.settled).first.wait_for(timeout=seconds * 1000)

    def reload(self) -> None:
        self.page.reload()
        self.wait_usable()

    def ask(
        self, tokens: int, pace: float | None = None, delay: int = 0, timeout: float = 60
    ) -> Seen:
        """Type a question, press Enter, and wait for the end of the reply."""
        name = new_name()
        first, last = mark(name, 0), end(name)
        box = self.page.locator(self._app.box).first
        box.fill(question(name, tokens, pace, delay))
        self.page.evaluate(
            "(words) => { __bench.wanted = words; __bench.seen = {} }", [first, last]
        )
        box.press("Enter")
        with contextlib.suppress(PlaywrightTimeout):
            self.page.wait_for_function(
                "() => !__bench.wanted.length", polling=200, timeout=timeout * 1000
            )
        recorded: dict[str, Any] = self.page.evaluate("() => __bench")
        seen = {word: from_wall(at) for word, at in recorded["seen"].items()}
        return Seen(name, from_wall(recorded["submitted"]), seen.get(first), seen.get(last))

"""Compare Parley with other apps, print the tables and write them to `docs/benchmarks.md`.

    python -m benchmarks                      Parley, the tutorial, a bare page, the SDK alone
    python -m benchmarks --peers              also Chainlit and Gradio (--open-webui: Open WebUI)
    python -m benchmarks --only replies crowd --tiny --dry

`--tiny` is a smoke test with meaningless figures. `--dry` saves no results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any

from benchmarks import crowd, curves, profiling, replies, report, start, stopping
from benchmarks.apps.bare import Bare
from benchmarks.apps.parley import Parley
from benchmarks.apps.peers import Chainlit, Gradio, OpenWebUI
from benchmarks.apps.sdk import Sdk
from benchmarks.apps.server import Server, StreamlitServer
from benchmarks.apps.tutorial import Tutorial
from benchmarks.browser import Chromium
from benchmarks.conditions import current_conditions
from benchmarks.environments import NotInstalled
from benchmarks.provider_process import ProviderProcess


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument(
        "--only", nargs="+", choices=list(report.PARTS), default=list(report.PARTS)
    )
    options.add_argument("--peers", action="store_true", help="include Chainlit and Gradio")
    options.add_argument(
        "--open-webui", action="store_true", help="include Open WebUI (a large installation)"
    )
    options.add_argument("--repetitions", type=int)
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--dry", action="store_true")
    chosen = options.parse_args()
    for part in report.PARTS:
        if part in chosen.only:
            print(f"{part} …", flush=True)
            with ExitStack() as stack:
                measured = _measure(part, chosen, stack)
            if not chosen.dry:
                report.save(part, measured)
            print(report.filled(f"<!-- {part} -->\n<!-- end of {part} -->", {part: measured}))
    if not chosen.dry:
        report.write()


def _measure(part: str, chosen: argparse.Namespace, stack: ExitStack) -> dict[str, Any]:
    modules: dict[str, Any] = {
        "replies": replies,
        "length": curves,
        "conversations": curves,
        "crowd": crowd,
        "start": start,
        "stop": stopping,
        "profile": profiling,
    }
    module = modules[part]
    sizes: Any = module.TINY if chosen.tiny else module.Sizes()
    if chosen.repetitions and part != "profile":
        sizes = replace(sizes, repetitions=chosen.repetitions)
    conditions = current_conditions(sizes)  # before the benchmark adds load
    provider = stack.enter_context(ProviderProcess())
    url = provider.url
    streamlits: list[Callable[[], StreamlitServer]] = [lambda: Parley(url), lambda: Tutorial(url)]
    versions: dict[str, str] = {}
    apps: list[Any] = []
    if part in ("length", "conversations", "crowd"):
        apps = [stack.enter_context(make()) for make in streamlits]
    if part == "replies":
        apps = _all_apps(url, chosen, stack)
        chromium = stack.enter_context(Chromium())
        versions["Chromium"] = chromium.version
        results: Any = replies.measure(apps, provider, chromium, sizes)
    elif part == "length":
        results = curves.by_reply(apps, provider, sizes)
    elif part == "conversations":
        chromium = stack.enter_context(Chromium())
        versions["Chromium"] = chromium.version
        results = curves.by_conversation(apps, provider, chromium, sizes)
    elif part == "crowd":
        results = crowd.measure(apps, provider, sizes)
    elif part == "stop":
        chromium = stack.enter_context(Chromium())
        versions["Chromium"] = chromium.version
        apps = [stack.enter_context(Parley(url))]
        results = stopping.measure(apps[0], provider, chromium, sizes)
    elif part == "start":
        chromium = stack.enter_context(Chromium())
        versions["Chromium"] = chromium.version
        results = start.measure(streamlits, chromium, sizes)
    else:
        results = profiling.measure(url, sizes)
    for app in apps or [Parley(url)]:
        versions |= app.versions()
    conditions["versions"] = versions
    return {"taken": conditions, "asked": asdict(sizes), "results": results}


def _all_apps(url: str, chosen: argparse.Namespace, stack: ExitStack) -> list[Server]:
    kinds: list[type[Server]] = [Parley, Bare, Sdk, Tutorial]
    if chosen.peers:
        kinds += [Chainlit, Gradio]
    if chosen.open_webui:
        kinds.append(OpenWebUI)
    started = []
    for kind in kinds:
        try:
            started.append(stack.enter_context(kind(url)))
        except NotInstalled as error:
            print(f"Skipping {kind.name}: the installation failed:\n{error}", flush=True)
    return started


if __name__ == "__main__":
    main()

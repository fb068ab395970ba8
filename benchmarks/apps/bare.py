"""Baseline: a bare HTML page that appends text, and a proxy that forwards bytes. No Markdown."""

from __future__ import annotations

import sys

from benchmarks.apps.server import ROOT, Server


class Bare(Server):
    name = "bare page"
    packages = ("starlette", "uvicorn", "httpx2")
    box = "#box"

    def command(self) -> list[str]:
        app = "benchmarks.apps.bare_app:app"
        host = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        return [sys.executable, "-m", "uvicorn", app, *host]

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT)}

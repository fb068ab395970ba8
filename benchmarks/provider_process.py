"""The provider in a process of its own, and what it noted of a reply."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from benchmarks.apps.server import ROOT


@dataclass(frozen=True, slots=True)
class Written:
    """Milliseconds of the monotonic clock."""

    arrived: float
    tokens: tuple[float, ...]

    @property
    def first(self) -> float:
        return self.tokens[0]

    @property
    def last(self) -> float:
        return self.tokens[-1]


class ProviderProcess:
    """`with ProviderProcess() as provider:` — `provider.url` ends in /v1."""

    url = ""

    def __enter__(self) -> ProviderProcess:
        command = [sys.executable, "-m", "benchmarks.provider"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def written(self, name: str) -> Written:
        """Raises `KeyError` if no request for this reply came."""
        return self.all_written()[name]

    def all_written(self) -> dict[str, Written]:
        """By name; the first request counts (an app may ask again, for a title say)."""
        found: dict[str, Written] = {}
        for record in self._get("/bench/replies"):
            if record["written"] and record["name"] not in found:
                tokens = tuple(at / 1e6 for at in record["written"])
                found[record["name"]] = Written(record["arrived"] / 1e6, tokens)
        return found

    def cut_at(self, name: str) -> float | None:
        """When the app closed the connection before the end; None if it did not."""
        cuts = [record["cut"] for record in self._get("/bench/replies") if record["name"] == name]
        return next((cut / 1e6 for cut in cuts if cut), None)

    def clear(self) -> None:
        self._get("/bench/clear")

    def _get(self, path: str) -> Any:
        with urlopen(self.url.removesuffix("/v1") + path, timeout=30) as answer:
            return json.load(answer)

"""Run the provider in a separate process and read the times that it recorded."""

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
    """Times of a reply in milliseconds of the monotonic clock."""

    arrived: float
    tokens: tuple[float, ...]

    @property
    def first(self) -> float:
        return self.tokens[0]

    @property
    def last(self) -> float:
        return self.tokens[-1]


class ProviderProcess:
    """The provider as a context manager; `url` ends in /v1."""

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
        """Return the times of one reply. Raises `KeyError` if it was never requested."""
        return self.all_written()[name]

    def all_written(self) -> dict[str, Written]:
        """Return the times by name. The first request counts; apps may send others for titles."""
        found: dict[str, Written] = {}
        for record in self._get("/bench/replies"):
            if record["written"] and record["name"] not in found:
                tokens = tuple(at / 1e6 for at in record["written"])
                found[record["name"]] = Written(record["arrived"] / 1e6, tokens)
        return found

    def cut_at(self, name: str) -> float | None:
        """Return the time at which the app closed the connection early, or None."""
        cuts = [record["cut"] for record in self._get("/bench/replies") if record["name"] == name]
        return next((cut / 1e6 for cut in cuts if cut), None)

    def clear(self) -> None:
        self._get("/bench/clear")

    def _get(self, path: str) -> Any:
        with urlopen(self.url.removesuffix("/v1") + path, timeout=30) as answer:
            return json.load(answer)

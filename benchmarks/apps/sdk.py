"""The openai SDK without a page: the cost of consuming the events of a reply.

The process reads questions from stdin and writes the times at which it received the marks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from benchmarks.apps.server import ROOT, Server
from benchmarks.browser import Seen
from benchmarks.clock import now_ms
from benchmarks.provider import question
from benchmarks.words import end, mark, new_name


class Sdk(Server):
    name = "openai SDK"
    packages = ("openai", "httpx2")

    def launch(self) -> None:
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.apps.sdk"],
            cwd=ROOT,
            env={**os.environ, "OPENAI_BASE_URL": self.provider_url, "OPENAI_API_KEY": "bench"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait(self, seconds: float = 120) -> None:
        self._read()

    def _read(self) -> Any:
        assert self._worker.stdout is not None
        return json.loads(self._worker.stdout.readline())

    @property
    def pid(self) -> int:
        return self._worker.pid

    def stop(self) -> None:
        self._worker.kill()
        self._worker.wait()

    def ask(
        self, tokens: int, pace: float | None = None, delay: int = 0, timeout: float = 60
    ) -> Seen:
        name = new_name()
        assert self._worker.stdin is not None
        asked = {
            "question": question(name, tokens, pace, delay),
            "words": [mark(name, 0), end(name)],
        }
        self._worker.stdin.write(json.dumps(asked) + "\n")
        self._worker.stdin.flush()
        submitted, first, last = self._read()
        return Seen(name, submitted, first, last)


def main() -> None:
    from openai import OpenAI

    client = OpenAI()
    print(json.dumps(time.time()), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        submitted, seen = now_ms(), {}
        stream = client.chat.completions.create(
            model="bench",
            messages=[{"role": "user", "content": asked["question"]}],
            stream=True,
        )
        for chunk in stream:
            text = chunk.choices[0].delta.content if chunk.choices else None
            for word in asked["words"]:
                if text and word in text:
                    seen[word] = now_ms()
        print(json.dumps([submitted, *(seen.get(word) for word in asked["words"])]), flush=True)


if __name__ == "__main__":
    main()

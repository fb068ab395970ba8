"""A provider that streams replies written by the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

from chat.domain.message import Usage
from chat.providers.base import Delta, Model, Request


class ScriptedProvider:
    """A `Provider` without a network. `requests` records every request.

    After `hold(at)` replies pause before chunk `at` until `release()`; `held` is set when one does.
    """

    name, label = "scripted", "Scripted"

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.replies: list[list[Delta | Exception]] = []
        self.closed = 0
        self.held = threading.Event()
        self.hold_at: int | None = None
        self._go = threading.Event()

    def models(self) -> tuple[Model, ...]:
        return (
            Model("scripted", "one", window_tokens=8000),
            Model("scripted", "two", window_tokens=None),
        )

    def say(self, *replies: str | list[Delta | Exception]) -> None:
        """Queue replies: texts (streamed word by word), or lists of deltas and a final error."""
        for reply in replies:
            self.replies.append(_deltas(reply) if isinstance(reply, str) else reply)

    def hold(self, at: int = 0) -> None:
        self.hold_at = at
        self._go.clear()
        self.held.clear()

    def release(self) -> None:
        self.hold_at = None
        self._go.set()

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        self.requests.append(request)
        pieces = self.replies.pop(0) if self.replies else _deltas("Hello there.")
        try:
            for number, piece in enumerate(pieces):
                if number == self.hold_at:
                    self.held.set()
                    while not self._go.is_set():
                        await _until(self._go)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed += 1

    async def discover(self) -> None:
        return None

    async def close(self) -> None:
        return None


async def _until(event: threading.Event) -> None:
    await asyncio.get_running_loop().run_in_executor(None, event.wait, 0.05)


def _deltas(text: str) -> list[Delta | Exception]:
    words: list[Delta | Exception] = [Delta(text=f"{word} ") for word in text.split()]
    if words:
        words[-1] = Delta(text=text.split()[-1])
    return [*words, Delta(finish_reason="stop", usage=Usage(10, len(words), True))]

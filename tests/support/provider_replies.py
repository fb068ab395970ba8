"""Ask a provider over a real socket, and the events that its server sends."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.domain.message import Role, Usage
from chat.providers.base import Delta, Request, Turn
from chat.providers.openai_compatible.client import OpenAIProvider
from tests.support.llm_server import LLMServer, Script

KEY = "k-case-123456"


def event(delta: dict[str, Any] | None = None, finish: Any = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return raw({"choices": choices, **more})


def raw(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


TEXT = (event({"content": "Alpha "}), event({"content": "beta "}), event({"content": "gamma."}))
WHOLE = "Alpha beta gamma."
STOP = event({}, "stop")
DONE = b"data: [DONE]\n\n"
OK = Script(events=(event({"content": "ok"}), STOP, DONE))


@dataclass(frozen=True)
class Answer:
    """What a provider made of one reply."""

    deltas: tuple[Delta, ...]
    error: errors.ProviderError | None

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def reasoning(self) -> str:
        return "".join(delta.reasoning for delta in self.deltas)

    @property
    def finish_reason(self) -> str | None:
        return self.deltas[-1].finish_reason if self.deltas else None

    @property
    def usage(self) -> Usage | None:
        return next((each.usage for each in reversed(self.deltas) if each.usage), None)

    @property
    def problem(self) -> errors.ProviderError | None:
        return self.deltas[-1].problem if self.deltas else None

    @property
    def is_complete(self) -> bool:
        return self.error is None and self.finish_reason is not None


def ask(base_url: str, *, request: Request | None = None, **settings: Any) -> Answer:
    """Return the reply of the server at `base_url` to one request."""
    values = {"max_retries": 0, "values": {}, **settings}
    acme = OpenAIProvider(Endpoint("acme", "Acme", base_url, KEY), Settings(**values))
    request = request or Request("m", (Turn(Role.USER, "hello"),), max_tokens=4096)
    deltas: list[Delta] = []

    async def run() -> errors.ProviderError | None:
        try:
            async for delta in acme.stream(request):
                deltas.append(delta)
        except errors.ProviderError as error:
            return error
        finally:
            await acme.close()
        return None

    error = asyncio.run(run())
    return Answer(tuple(deltas), error)


def played(server: LLMServer, *events: bytes, **settings: Any) -> Answer:
    """Return what a provider makes of a stream of these events."""
    server.next(Script(events=events))
    return ask(server.base_url, **settings)

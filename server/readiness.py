"""Whether this process can serve people: its configuration is right and its database answers.

Says so in one word and soon, also while the database hangs: one look waits for it at a time, and
whoever asks meanwhile waits with it for a moment only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from chat import ParleyError, SettingsError

if TYPE_CHECKING:
    from chat import ChatService

PATIENCE = 2.0  # seconds


class Readiness:
    def __init__(self, service: Callable[[], ChatService], patience: float = PATIENCE) -> None:
        self._service, self._patience = service, patience
        self._look: asyncio.Task[str] | None = None
        self._waits_for = ""

    async def answer(self, _request: Request) -> PlainTextResponse:
        """200 and "ready", or 503 and why not: settings, starting, database or migrations."""
        problem = await self._problem()
        headers = {"cache-control": "no-store"}
        return PlainTextResponse(problem or "ready", 503 if problem else 200, headers)

    async def _problem(self) -> str:
        if self._look is None or self._look.done():
            work = anyio.to_thread.run_sync(self._ask, abandon_on_cancel=True)
            self._look = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({self._look}, timeout=self._patience)
        return self._look.result() if done else self._waits_for

    def _ask(self) -> str:
        self._waits_for = "starting"
        try:
            service = self._service()
            self._waits_for = "database"
            return service.readiness()
        except SettingsError:
            return "settings"
        except ParleyError:
            return "database"

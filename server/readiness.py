"""Readiness probe: the configuration is valid and the database answers.

It answers within two seconds also while the database hangs. At most one check runs at a time;
further requests share it, so that probes cannot use up the thread pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from chat import DatabaseUnavailable, ParleyError, SettingsError

if TYPE_CHECKING:
    from chat import ChatService

TIMEOUT = 2.0  # seconds


class ReadinessEndpoint:
    """`GET /readyz`. `service` opens the chat service, which can take a while, or raises."""

    def __init__(self, service: Callable[[], ChatService], timeout: float = TIMEOUT) -> None:
        self._service, self._timeout = service, timeout
        self._check: asyncio.Task[str] | None = None
        self._stage = ""

    async def answer(self, _request: Request) -> PlainTextResponse:
        """200 "ready", or 503 with one word: settings, starting, database or migrations."""
        problem = await self._problem()
        headers = {"cache-control": "no-store"}
        return PlainTextResponse(problem or "ready", 503 if problem else 200, headers)

    async def _problem(self) -> str:
        if self._check is None or self._check.done():
            work = anyio.to_thread.run_sync(self._run_check, abandon_on_cancel=True)
            self._check = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({self._check}, timeout=self._timeout)
        return self._check.result() if done else self._stage

    def _run_check(self) -> str:
        self._stage = "starting"
        try:
            service = self._service()
            self._stage = "database"
            return service.admin.readiness()
        except DatabaseUnavailable:
            return "database"
        except SettingsError:
            return "settings"
        except ParleyError:
            return "database"

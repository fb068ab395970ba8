"""Metrics in the OpenMetrics format, protected by a bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from chat import ParleyError

if TYPE_CHECKING:
    from chat import ChatService

_OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class MetricsEndpoint:
    """`GET /metrics`: 404 without `METRICS_TOKEN`, 401 without the right bearer token.

    `active_sessions` returns the number of open tabs, or None if it is unknown.
    """

    def __init__(
        self, service: Callable[[], ChatService], active_sessions: Callable[[], int | None]
    ) -> None:
        self._service, self._active_sessions = service, active_sessions

    async def answer(self, request: Request) -> Response:
        try:
            service = await anyio.to_thread.run_sync(self._service)
        except ParleyError:
            return PlainTextResponse("not ready", 503)
        expected = service.settings.metrics_token
        if not expected:
            return PlainTextResponse("Not Found", 404)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        is_valid = hmac.compare_digest(token.strip().encode(), expected.encode())
        if scheme.lower() != "bearer" or not is_valid:
            return PlainTextResponse("Unauthorized", 401, {"www-authenticate": "Bearer"})
        headers = {"cache-control": "no-store", "content-type": _OPEN_METRICS}
        return Response(service.admin.metrics(self._active_sessions()), headers=headers)

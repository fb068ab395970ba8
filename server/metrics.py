"""The figures of this process, for whoever has the token. Without one there is no such page."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from streamlit import runtime

from chat import ParleyError

if TYPE_CHECKING:
    from chat import ChatService

_OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_TABS = "active_sessions"  # as Streamlit calls them


class Figures:
    def __init__(self, service: Callable[[], ChatService]) -> None:
        self._service = service

    async def answer(self, request: Request) -> Response:
        try:
            service = await anyio.to_thread.run_sync(self._service)
        except ParleyError:
            return PlainTextResponse("not ready", 503)
        wanted = service.settings.metrics_token
        if not wanted:
            return PlainTextResponse("Not Found", 404)
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), wanted.encode())
        if kind.lower() != "bearer" or not is_right:
            return PlainTextResponse("Unauthorized", 401, {"www-authenticate": "Bearer"})
        headers = {"cache-control": "no-store", "content-type": _OPEN_METRICS}
        return Response(service.metrics(_sessions()), headers=headers)


def _sessions() -> int | None:
    """How many tabs are open; None where no pages are served."""
    if not runtime.exists():
        return None
    told = runtime.get_instance().stats_mgr.get_stats([_TABS])
    return sum(int(stat.value) for stat in told.get(_TABS, []) if hasattr(stat, "value"))

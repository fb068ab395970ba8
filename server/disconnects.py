"""A browser that goes away in mid-sentence is nothing to report.

Streamlit notes a failed send as the end of the connection and then reads from it once more, which
it takes for a message of the wrong kind; its answer to that fails for the same reason.
"""

from __future__ import annotations

from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnected


class HangUps:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        with suppress(WebSocketDisconnected):
            await self._app(scope, receive, send)

"""Suppress the error that Streamlit raises when a browser disconnects while it is sent a message.

Upstream: streamlit/streamlit#13372 (the handler), Kludex/starlette#2766 (the exception).
Symptom: a traceback in the log for each closed tab. After a failed send Streamlit reads from the
connection once more, takes the RuntimeError for a text frame and fails again when it closes the
connection. Seen with Streamlit 1.67 and Starlette 1.10; tests/server/test_disconnects.py.
"""

from __future__ import annotations

from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnected


class SuppressDisconnectErrors:
    """ASGI middleware that ends a WebSocket quietly when its client has disconnected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        with suppress(WebSocketDisconnected):
            await self._app(scope, receive, send)

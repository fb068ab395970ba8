"""Set TCP_NODELAY on the listening sockets; accepted connections inherit it.

Streamlit creates its sockets without naming the protocol (`proto=0`), so asyncio does not
recognise them as TCP and leaves Nagle's algorithm on. The second part of a response then waits
40 ms for the browser's delayed acknowledgement. Seen with Streamlit 1.67 on Linux.
"""

from __future__ import annotations

import socket

from starlette.types import ASGIApp, Receive, Scope, Send

from server.listening import listening_sockets


class TcpNoDelay:
    """ASGI middleware that calls `disable_nagle` at startup, when the server already listens."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            disable_nagle()
        await self._app(scope, receive, send)


def disable_nagle() -> None:
    """Set TCP_NODELAY on every socket that this process listens on."""
    for each in listening_sockets():
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

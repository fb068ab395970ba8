"""What is sent to a browser leaves at once.

Streamlit makes its listening socket without saying that it speaks TCP, so asyncio does not see
that Nagle's algorithm should be off: the second part of an answer waits until the browser has
acknowledged the first, 40 ms long. A connection has this option from the socket it came in by.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

_OPEN = Path("/dev/fd")  # what this process has open; there is none on Windows


class Prompt:
    """`send_at_once` when the server starts; it listens by then."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            send_at_once()
        await self._app(scope, receive, send)


def send_at_once() -> None:
    """For all connections that come in from now on by the sockets this process listens on."""
    if _OPEN.is_dir():
        for name in os.listdir(_OPEN):
            with suppress(OSError):  # closed meanwhile, such as the folder itself
                _prepare(int(name))


def _prepare(descriptor: int) -> None:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return
    with socket.socket(fileno=os.dup(descriptor)) as found:
        if (
            found.family in (socket.AF_INET, socket.AF_INET6)
            and found.type == socket.SOCK_STREAM
            and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        ):
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

"""Set TCP_NODELAY on the listening sockets; accepted connections inherit it.

Streamlit creates its sockets without naming the protocol (`proto=0`), so asyncio does not
recognise them as TCP and leaves Nagle's algorithm on. The second part of a response then waits
40 ms for the browser's delayed acknowledgement. Seen with Streamlit 1.67 on Linux.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

_DESCRIPTORS = Path("/dev/fd")  # the open descriptors of this process; missing on Windows


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
    if _DESCRIPTORS.is_dir():
        for name in os.listdir(_DESCRIPTORS):
            with suppress(OSError):  # closed since, such as the descriptor of the listing itself
                _set_nodelay(int(name))


def _set_nodelay(descriptor: int) -> None:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return
    with socket.socket(fileno=os.dup(descriptor)) as found:
        if (
            found.family in (socket.AF_INET, socket.AF_INET6)
            and found.type == socket.SOCK_STREAM
            and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        ):
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

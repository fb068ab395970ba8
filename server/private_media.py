"""Serve images and downloads to the browser they were made for, and keep them out of caches.

Every other browser gets the response for a file that does not exist. This module must not know
what the files contain.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat import is_visitor_cookie
from server.visitor_cookie import COOKIE

_PREFIX = "/media/"
_MISSING = "none"  # never the name of a file: those are hashes


class PrivateMedia:
    """ASGI middleware around Streamlit's media route, which checks nothing.

    `may_fetch(name, cookie)` returns whether the file may be sent to the browser with this
    visitor cookie. The cookie is empty for browsers that reject cookies.
    """

    def __init__(self, app: ASGIApp, may_fetch: Callable[[str, str], bool]) -> None:
        self._app, self._may_fetch = app, may_fetch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        base, prefix, name = scope.get("path", "").partition(_PREFIX)
        # Streamlit's frontend has a folder /static/media/ with its fonts.
        if scope["type"] != "http" or not prefix or base.endswith("/static"):
            await self._app(scope, receive, send)
            return
        cookie = Request(scope).cookies.get(COOKIE, "")
        if not self._may_fetch(name, cookie if is_visitor_cookie(cookie) else ""):
            path = f"{base}{_PREFIX}{_MISSING}"
            scope = {**scope, "path": path, "raw_path": path.encode()}

        async def send_privately(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["cache-control"] = "private, no-store"
            await send(message)

        await self._app(scope, receive, send_privately)

"""Pictures, exports and backups are answered to the browser they were made for, and kept nowhere.

To everybody else their address is one of a file that does not exist. It must not know what they
are.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat import is_visitor_cookie
from server.visitor_cookie import COOKIE

_PLACE = "/media/"
_NOBODYS = "none"  # a name that no file has: theirs are hashes


class PrivateMedia:
    """`may_fetch` tells by a file's name and a visitor's cookie, perhaps an empty one."""

    def __init__(self, app: ASGIApp, may_fetch: Callable[[str, str], bool]) -> None:
        self._app, self._may_fetch = app, may_fetch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        before, place, name = scope.get("path", "").partition(_PLACE)
        # What the page itself is made of, such as its fonts, lies in a folder of the same name.
        if scope["type"] != "http" or not place or before.endswith("/static"):
            await self._app(scope, receive, send)
            return
        cookie = Request(scope).cookies.get(COOKIE, "")
        if not self._may_fetch(name, cookie if is_visitor_cookie(cookie) else ""):
            path = f"{before}{_PLACE}{_NOBODYS}"
            scope = {**scope, "path": path, "raw_path": path.encode()}

        async def send_privately(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["cache-control"] = "private, no-store"
            await send(message)

        await self._app(scope, receive, send_privately)

"""Identify browsers by a random HttpOnly cookie that is set with the first page."""

from __future__ import annotations

from pathlib import PurePosixPath
from secrets import token_urlsafe

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat import is_visitor_cookie
from server.scheme import is_https

COOKIE = "parley_visitor"
_YEAR = 365 * 24 * 3600
_NOT_PAGES = (
    "/static",
    "/_stcore",
    "/component",
    "/media",
    "/downloads",
    "/healthz",
    "/readyz",
    "/metrics",
)


class VisitorCookie:
    """ASGI middleware that sets or renews the cookie on HTML pages; it expires after a year.

    A 304 response carries it too: a browser may have lost the cookie and kept the page. Other
    files may be cached by shared caches and never carry it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_NOT_PAGES):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        known = request.cookies.get(COOKIE, "")
        value = known if is_visitor_cookie(known) else token_urlsafe(32)
        cookie = f"{COOKIE}={value}; Max-Age={_YEAR}; Path=/; HttpOnly; SameSite=Lax"
        cookie += "; Secure" if is_https(scope) else ""

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_page = message["status"] == 304 and not PurePosixPath(scope["path"]).suffix
                if is_page or headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", cookie)
                    # A shared cache would give one visitor's cookie to all others.
                    if "no-store" not in headers.get("cache-control", ""):
                        headers["cache-control"] = "private, no-cache"
            await send(message)

        await self._app(scope, receive, send_with_cookie)

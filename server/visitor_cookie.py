"""Identify browsers by a random, signed HttpOnly cookie that is set with the first page.

Everything behind this middleware sees one cookie with the plain random value, and only if it is
valid: routes, WebSockets and page scripts need no check of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.scheme import is_https
from server.visitor_signature import VisitorSignature

COOKIE = "parley_visitor"
HOST_COOKIE = f"__Host-{COOKIE}"  # browsers let no other host set it; over HTTPS only
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
_WITHOUT_VISITOR = ("/static", "/component", "/healthz", "/readyz", "/metrics")


def is_page(scope: Scope) -> bool:
    """Return whether a browser requests a page, and not one of its files."""
    path = scope.get("path", "")
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and not any(each in path for each in _NOT_PAGES)  # the app may be below another path
        and not PurePosixPath(path).suffix
    )


class VisitorCookie:
    """ASGI middleware that checks the cookie, and sets or renews it on HTML pages for a year.

    A 304 response carries it too: a browser may have lost the cookie and kept the page. Other
    files may be cached by shared caches and never carry it.
    """

    def __init__(self, app: ASGIApp, signature: VisitorSignature) -> None:
        self._app, self._signature = app, signature

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_request = scope["type"] in ("http", "websocket")
        if not is_request or scope["path"].startswith(_WITHOUT_VISITOR):
            await self._app(scope, receive, send)
            return
        visitor = await self._visitor(scope)
        has_plain_cookie = any(name == COOKIE for name, _ in _own_cookies(scope))
        inner = _with_visitor(scope, visitor)
        if scope["type"] != "http" or scope["path"].startswith(_NOT_PAGES):
            await self._app(inner, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_unchanged = message["status"] == 304 and not PurePosixPath(scope["path"]).suffix
                if is_unchanged or headers.get("content-type", "").startswith("text/html"):
                    for each in self._cookies(scope, visitor, has_plain_cookie):
                        headers.append("set-cookie", each)
                    # A shared cache would give one visitor's cookie to all others.
                    if "no-store" not in headers.get("cache-control", ""):
                        headers["cache-control"] = "private, no-cache"
            await send(message)

        await self._app(inner, receive, send_with_cookie)

    async def _visitor(self, scope: Scope) -> str:
        """Return the visitor by the first valid cookie; empty if there is none."""
        cookies = sorted(_own_cookies(scope), key=lambda each: each[0] != HOST_COOKIE)
        for name, value in cookies:
            # A neighbouring host can set the plain cookie, also with one that we have signed.
            trusted = name == HOST_COOKIE or not is_https(scope)
            if visitor := await self._signature.visitor(value, trust_signature=trusted):
                return visitor
        return ""

    def _cookies(self, scope: Scope, visitor: str, has_plain_cookie: bool) -> Iterator[str]:
        attributes = f"Max-Age={_YEAR}; Path=/; HttpOnly; SameSite=Lax"
        if visitor and not self._signature.can_check:
            return  # it may be made up, and must not be signed
        value = self._signature.sign(visitor or self._signature.new())
        if not is_https(scope):
            yield f"{COOKIE}={value}; {attributes}"
            return
        yield f"{HOST_COOKIE}={value}; {attributes}; Secure"
        if has_plain_cookie:
            yield f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure"


def _own_cookies(scope: Scope) -> Iterator[tuple[str, str]]:
    for header in Headers(scope=scope).getlist("cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name.strip() in (COOKIE, HOST_COOKIE):
                yield name.strip(), value.strip().strip('"')


def _with_visitor(scope: Scope, visitor: str) -> Scope:
    """Return the scope with one cookie for the visitor, or none."""
    kept = [f"{COOKIE}={visitor}"] if visitor else []
    for header in Headers(scope=scope).getlist("cookie"):
        for pair in header.split(";"):
            if pair.partition("=")[0].strip() not in (COOKIE, HOST_COOKIE) and pair.strip():
                kept.append(pair.strip())
    headers = [each for each in scope["headers"] if each[0].lower() != b"cookie"]
    if kept:
        headers.append((b"cookie", "; ".join(kept).encode("latin-1")))
    return {**scope, "headers": headers}

"""Uploads are open to whoever has a page open and stay in memory: here they are bounded.

Streamlit bounds one file. This bounds what one visitor sends in an hour, and all together, and
refuses who is not let in yet. It must not know what the files are for.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

import anyio.to_thread
import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from chat import Settings, SettingsError, gather, is_visitor_cookie, read_settings
from server.visitor import COOKIE

_PLACE = "/_stcore/upload_file/"
_HOUR = 3600.0
_LEAST = 64 * 1024  # what an upload counts as, however small: each costs something
_VISITORS = 4  # who may use up what is theirs, until nobody can upload for a while


class Window:
    """What was uploaded in the last hour, by whom. Linear in the uploads, which it bounds."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._past: deque[tuple[float, str, int]] = deque()
        self._by: Counter[str] = Counter()
        self._all = 0

    def take(self, who: str, size: int) -> bool:
        """Count an upload that begins, unless it would be too much."""
        now, size = self._clock(), max(size, _LEAST)
        while self._past and self._past[0][0] <= now - _HOUR:
            _, before, freed = self._past.popleft()
            self._all -= freed
            self._by[before] -= freed
            if not self._by[before]:
                del self._by[before]
        if self._by[who] + size > self.most or self._all + size > self.most * _VISITORS:
            return False
        self._past.append((now, who, size))
        self._by[who] += size
        self._all += size
        return True


class Uploads:
    """`may_upload` tells by a visitor's cookie, perhaps an empty one, whether they are let in."""

    def __init__(self, app: ASGIApp, may_upload: Callable[[str], bool] | None = None) -> None:
        self._app, self._may_upload = app, may_upload
        self._window = Window(int(_settings().max_uploads_mb * 1_000_000))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PUT" or _PLACE not in scope["path"]:
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, request: Request) -> PlainTextResponse | None:
        cookie = request.cookies.get(COOKIE, "")
        cookie = cookie if is_visitor_cookie(cookie) else ""
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            return PlainTextResponse("The size is missing", 411)
        if int(length) > self._window.most:
            return PlainTextResponse("The file is too large", 413)
        if self._may_upload and not await anyio.to_thread.run_sync(self._may_upload, cookie):
            return PlainTextResponse("Please come in first", 403)
        client = request.client.host if request.client else ""
        if not self._window.take(cookie or client, int(length)):
            headers = {"retry-after": str(int(_HOUR))}
            return PlainTextResponse("Too much was uploaded in the last hour", 429, headers)
        return None


def _settings() -> Settings:
    secrets = st.secrets.to_dict() if st.secrets.load_if_toml_exists() else None
    try:
        return read_settings(gather(secrets))
    except SettingsError:  # the page says so once it is opened
        return Settings()

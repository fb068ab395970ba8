"""Uploads are open to whoever has a page open and stay in memory: here they are bounded.

Streamlit bounds one file. This bounds what one visitor sends in an hour, one address, and all
together, and refuses who is not let in yet. What was announced and did not come is nobody's.
It must not know what the files are for.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

import anyio.to_thread
import streamlit as st
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat import Connection, Settings, SettingsError, is_visitor_cookie, load_config, read_settings
from server.visitor_cookie import COOKIE

_PLACE = "/_stcore/upload_file/"
_MINUTES = 60
_LEAST = 64 * 1024  # what an upload counts as, however small: each costs something
_OF_ADDRESS = 2  # visitors' worth from one address, where several may sit; a cookie is made up soon
_OF_ALL = 4  # visitors' worth, until nobody can upload for a while
_TOO_MUCH = "Too much was uploaded in the last hour"
_LATER = {"retry-after": str(_MINUTES * 60)}


class Window:
    """What came in the last hour, by name: a count for each minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minutes: deque[tuple[int, Counter[str]]] = deque()
        self._hour: Counter[str] = Counter()

    def has_room(self, bounds: Mapping[str, int], size: int) -> bool:
        """Whether so much more stays within the bound of each name."""
        now = int(self._clock() // 60)
        while self._minutes and self._minutes[0][0] <= now - _MINUTES:
            self._hour -= self._minutes.popleft()[1]
        return all(self._hour[name] + size <= bound for name, bound in bounds.items())

    def take(self, bounds: Mapping[str, int], size: int) -> bool:
        """Count what came, unless it is too much."""
        if not self.has_room(bounds, size):
            return False
        now = int(self._clock() // 60)
        if not self._minutes or self._minutes[-1][0] != now:
            self._minutes.append((now, Counter()))
        counted = Counter(dict.fromkeys(bounds, size))
        self._minutes[-1][1].update(counted)
        self._hour.update(counted)
        return True


class Uploads:
    """`may_upload` tells by a visitor's cookie, perhaps an empty one, whether they are let in."""

    def __init__(self, app: ASGIApp, may_upload: Callable[[str], bool] | None = None) -> None:
        self._app, self._may_upload = app, may_upload
        settings = _settings()
        self._proxies = settings.trusted_proxies
        self._most = int(settings.max_uploads_mb * 1_000_000)
        self._largest = min(self._most, st.get_option("server.maxUploadSize") * 1024 * 1024)
        self._window = Window()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PUT" or _PLACE not in scope["path"]:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        cookie = request.cookies.get(COOKIE, "")
        cookie = cookie if is_visitor_cookie(cookie) else ""
        bounds = self._bounds(request, cookie)
        if refusal := await self._refusal(request, cookie, bounds):
            await refusal(scope, receive, send)
            return
        await self._app(scope, self._counted(receive, bounds), send)

    def _bounds(self, request: Request, cookie: str) -> dict[str, int]:
        """Whom an upload is counted for, and how much each of them may have."""
        host = request.client.host if request.client else None
        headers = {name: request.headers.getlist(name) for name in request.headers}
        address = Connection(host, headers).client_address(self._proxies)
        bounds = {"all": self._most * _OF_ALL, f"visitor {cookie or address}": self._most}
        if address:  # else it is not known, and nobody shall wait for somebody else
            bounds[f"address {address}"] = self._most * _OF_ADDRESS
        return bounds

    async def _refusal(
        self, request: Request, cookie: str, bounds: Mapping[str, int]
    ) -> PlainTextResponse | None:
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            return PlainTextResponse("The size is missing", 411)
        if int(length) > self._largest:
            return PlainTextResponse("The file is too large", 413)
        if self._may_upload and not await anyio.to_thread.run_sync(self._may_upload, cookie):
            return PlainTextResponse("Please come in first", 403)
        if not self._window.has_room(bounds, max(int(length), _LEAST)):
            return PlainTextResponse(_TOO_MUCH, 429, _LATER)
        return None

    def _counted(self, receive: Receive, bounds: Mapping[str, int]) -> Receive:
        """Others may have sent meanwhile what there was room for: then it ends in the middle."""
        came = counted = 0

        async def counting() -> Message:
            nonlocal came, counted
            message = await receive()
            if message["type"] == "http.request":
                came += len(message.get("body", b""))
                more = max(came, _LEAST) - counted
                if not self._window.take(bounds, more):
                    raise HTTPException(429, _TOO_MUCH, _LATER)  # the app within answers with it
                counted += more
            return message

        return counting


def _settings() -> Settings:
    secrets = st.secrets.to_dict() if st.secrets.load_if_toml_exists() else None
    try:
        return read_settings(load_config(secrets))
    except SettingsError:  # the page says so once it is opened
        return Settings()

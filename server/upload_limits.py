"""Limit uploads per visitor, per address and in total, before Streamlit keeps them in memory.

Streamlit limits the size of one file only. Only bytes that arrive are counted: an announced size
reserves nothing. This module must not know what the files are for.
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

from chat import Connection, Settings, is_visitor_cookie
from server.visitor_cookie import COOKIE

_PREFIX = "/_stcore/upload_file/"
_WINDOW = 60  # minutes
_MIN_COUNTED = 64 * 1024  # bytes that each upload counts at least: every file costs something
_PER_ADDRESS = 2  # times the limit of a visitor: several share an address, cookies are cheap
_IN_TOTAL = 4  # times the limit of a visitor
_LIMIT_REACHED = "Too much was uploaded in the last hour"
_RETRY_AFTER = {"retry-after": str(_WINDOW * 60)}


class SlidingWindow:
    """Sums per key over the last hour, in buckets of one minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: deque[tuple[int, Counter[str]]] = deque()
        self._sums: Counter[str] = Counter()

    def has_room(self, limits: Mapping[str, int], size: int) -> bool:
        """Return whether `size` more stays within the limit of every key."""
        now = int(self._clock() // 60)
        while self._buckets and self._buckets[0][0] <= now - _WINDOW:
            self._sums -= self._buckets.popleft()[1]
        return all(self._sums[key] + size <= limit for key, limit in limits.items())

    def add(self, limits: Mapping[str, int], size: int) -> bool:
        """Count `size` for every key and return True; False if a limit would be exceeded."""
        if not self.has_room(limits, size):
            return False
        now = int(self._clock() // 60)
        if not self._buckets or self._buckets[-1][0] != now:
            self._buckets.append((now, Counter()))
        counts = Counter(dict.fromkeys(limits, size))
        self._buckets[-1][1].update(counts)
        self._sums.update(counts)
        return True


class UploadLimits:
    """ASGI middleware around Streamlit's upload route.

    `may_upload(cookie)` returns whether the visitor with this cookie, which may be empty, has
    access. It may block: it runs on a worker thread.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, may_upload: Callable[[str], bool]
    ) -> None:
        self._app, self._may_upload = app, may_upload
        self._proxies = settings.trusted_proxies
        self._per_visitor = int(settings.max_uploads_mb * 1_000_000)
        largest = st.get_option("server.maxUploadSize") * 1024 * 1024
        self._per_file = min(self._per_visitor, largest)
        self._window = SlidingWindow()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PUT" or _PREFIX not in scope["path"]:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        cookie = request.cookies.get(COOKIE, "")
        cookie = cookie if is_visitor_cookie(cookie) else ""
        limits = self._limits(request, cookie)
        if refusal := await self._refusal(request, cookie, limits):
            await refusal(scope, receive, send)
            return
        await self._app(scope, self._counting(receive, limits), send)

    def _limits(self, request: Request, cookie: str) -> dict[str, int]:
        """Return the keys that an upload is counted for, with the limit in bytes of each."""
        host = request.client.host if request.client else None
        headers = {name: request.headers.getlist(name) for name in request.headers}
        address = Connection(host, headers).client_address(self._proxies)
        limits = {
            "all": self._per_visitor * _IN_TOTAL,
            f"visitor {cookie or address}": self._per_visitor,
        }
        if address:  # unknown behind an undeclared proxy, where all visitors would share it
            limits[f"address {address}"] = self._per_visitor * _PER_ADDRESS
        return limits

    async def _refusal(
        self, request: Request, cookie: str, limits: Mapping[str, int]
    ) -> PlainTextResponse | None:
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            return PlainTextResponse("The size is missing", 411)
        if int(length) > self._per_file:
            return PlainTextResponse("The file is too large", 413)
        if not await anyio.to_thread.run_sync(self._may_upload, cookie):
            return PlainTextResponse("Enter the access code first", 403)
        if not self._window.has_room(limits, max(int(length), _MIN_COUNTED)):
            return PlainTextResponse(_LIMIT_REACHED, 429, _RETRY_AFTER)
        return None

    def _counting(self, receive: Receive, limits: Mapping[str, int]) -> Receive:
        """Count the body as it arrives; concurrent uploads can exceed a limit in the middle."""
        received = counted = 0

        async def count() -> Message:
            nonlocal received, counted
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                more = max(received, _MIN_COUNTED) - counted
                if not self._window.add(limits, more):
                    raise HTTPException(429, _LIMIT_REACHED, _RETRY_AFTER)
                counted += more
            return message

        return count

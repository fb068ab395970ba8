"""Limit uploads per visitor, per address and in total, before Streamlit keeps them in memory.

Streamlit limits the size of one file only. Two bounds apply: bytes received in an hour, and bytes
held in memory at once, which fits the host. Only bytes that arrive are counted: an announced size
reserves nothing. While a file arrives it is on disk. This module must not know what the files are
for.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress

import anyio.to_thread
import streamlit as st
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat import Connection, Settings, is_visitor_cookie
from server.memory import memory_limit
from server.visitor_cookie import COOKIE

_PREFIX = "/_stcore/upload_file/"
_HELD_SHARE = 0.4  # of the host's memory, for the files of all visitors
_HELD_BY_VISITOR = 2 / 3  # of that
_WINDOW = 60  # minutes
_MIN_COUNTED = 64 * 1024  # bytes that each upload counts at least: every file costs something
_PER_ADDRESS = 2  # times the limit of a visitor: several share an address, cookies are cheap
_IN_TOTAL = 4  # times the limit of a visitor
_NO_ACCESS = "Sign in or enter the access code first"
_MEMORY_FULL = "Parley holds too many files right now. Try again in a few minutes"
_LIMIT_REACHED = "Too much was uploaded in the last hour"
_RETRY_AFTER = {"retry-after": str(_WINDOW * 60)}
_RETRY_SOON = {"retry-after": "60"}


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


class HeldUploads:
    """The bound on bytes in memory: those that Streamlit holds, and those that are arriving.

    `held()` returns the bytes that Streamlit holds for each visitor, by cookie.
    """

    def __init__(self, held: Callable[[], Mapping[str, int]], memory: int) -> None:
        self._held = held
        self.limit = int(memory * _HELD_SHARE)
        self.limit_of_visitor = int(self.limit * _HELD_BY_VISITOR)
        self._arriving: Counter[str] = Counter()

    def has_room(self, cookie: str, size: int) -> bool:
        held = Counter(self._held()) + self._arriving
        return held[cookie] + size <= self.limit_of_visitor and held.total() + size <= self.limit

    def add(self, cookie: str, size: int) -> None:
        self._arriving[cookie] += size

    def remove(self, cookie: str, size: int) -> None:
        self._arriving[cookie] -= size
        if self._arriving[cookie] <= 0:
            del self._arriving[cookie]


class UploadLimits:
    """ASGI middleware around Streamlit's upload route.

    `may_upload(cookies, session_id)` returns whether the browser with these cookies has access and
    owns the session. It may block: it runs on a worker thread. For `held` see `HeldUploads`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        may_upload: Callable[[Mapping[str, str], str], bool],
        held: Callable[[], Mapping[str, int]],
        memory: int | None = None,
    ) -> None:
        self._app, self._may_upload = app, may_upload
        self._proxies = settings.trusted_proxies
        self._per_visitor = int(settings.max_uploads_mb * 1_000_000)
        self._held = HeldUploads(held, memory or memory_limit())
        self._largest = st.get_option("server.maxUploadSize") * 1024 * 1024
        self._per_file = min(self._per_visitor, self._largest, self._held.limit_of_visitor)
        self._window = SlidingWindow()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, prefix, rest = scope["path"].partition(_PREFIX) if scope["type"] == "http" else ("",) * 3
        if not prefix or scope["method"] not in ("PUT", "DELETE"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        cookie = request.cookies.get(COOKIE, "")
        cookie = cookie if is_visitor_cookie(cookie) else ""
        session_id = rest.partition("/")[0]
        if not await anyio.to_thread.run_sync(self._may_upload, request.cookies, session_id):
            await self._refuse(request, PlainTextResponse(_NO_ACCESS, 403), send)
        elif scope["method"] == "DELETE":
            await self._app(scope, receive, send)
        else:
            await self._put(request, cookie, scope, receive, send)

    async def _put(
        self, request: Request, cookie: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        limits = self._limits(request, cookie)
        if refusal := self._refusal(request, cookie, limits):
            await self._refuse(request, refusal, send)
            return
        counter = _Counter(self._window, limits, self._held, cookie)
        try:
            await self._app(scope, counter.counting(receive), send)
        finally:
            self._held.remove(cookie, counter.received)

    async def _refuse(self, request: Request, refusal: PlainTextResponse, send: Send) -> None:
        """Answer after the body has arrived and was dropped; before that, browsers do not read."""
        if _content_length(request) <= self._largest:
            with suppress(ClientDisconnect):
                async for _ in request.stream():
                    pass
        await refusal(request.scope, request.receive, send)

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

    def _refusal(
        self, request: Request, cookie: str, limits: Mapping[str, int]
    ) -> PlainTextResponse | None:
        length = _content_length(request)
        if length == math.inf:
            return PlainTextResponse("The size is missing", 411)
        if length > self._per_file:
            return PlainTextResponse("The file is too large", 413)
        if not self._window.has_room(limits, max(int(length), _MIN_COUNTED)):
            return PlainTextResponse(_LIMIT_REACHED, 429, _RETRY_AFTER)
        if not self._held.has_room(cookie, int(length)):
            return PlainTextResponse(_MEMORY_FULL, 503, _RETRY_SOON)
        return None


def _content_length(request: Request) -> float:
    """Return the announced size in bytes; infinite if it is missing or invalid."""
    length = request.headers.get("content-length", "")
    is_valid = length.isascii() and length.isdigit() and len(length) < 16
    return int(length) if is_valid else math.inf


class _Counter:
    """Counts the body of one upload as it arrives.

    Concurrent uploads can exceed a limit in the middle.
    """

    def __init__(
        self, window: SlidingWindow, limits: Mapping[str, int], held: HeldUploads, cookie: str
    ) -> None:
        self._window, self._limits, self._held, self._cookie = window, limits, held, cookie
        self.received = 0

    def counting(self, receive: Receive) -> Receive:
        counted = 0

        async def count() -> Message:
            nonlocal counted
            message = await receive()
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                if not self._held.has_room(self._cookie, size):
                    raise HTTPException(503, _MEMORY_FULL, _RETRY_SOON)
                self._held.add(self._cookie, size)
                self.received += size
                more = max(self.received, _MIN_COUNTED) - counted
                if not self._window.add(self._limits, more):
                    raise HTTPException(429, _LIMIT_REACHED, _RETRY_AFTER)
                counted += more
            return message

        return count

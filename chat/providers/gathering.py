"""Reads what many providers' streams send in fewer, larger pieces.

A token comes as a packet of its own, and each one read is a turn of the loop that all replies
share. While many run, a reader waits a moment after the first bytes and takes what has come by
then. It knows neither HTTP nor what is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore2
import httpx2
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

ALONE = 4  # streams that wait for nothing
PAUSE = 0.0016  # seconds for each stream there is …
LONGEST = 0.08  # … but no more
_AT_ONCE = 3  # first reads of a response: its head and its first words
_AT_MOST = 0.01  # seconds that reading on may take
_MOST = 1_000_000  # bytes that one read brings

Pause = Callable[[], float]


def pause(streams: int) -> float:
    """Seconds that a reader waits for more."""
    return 0.0 if streams <= ALONE else min(LONGEST, streams * PAUSE)


def gather(client: httpx2.AsyncClient, wanted: Pause) -> None:
    """Let a client's connections read so. httpx2 has no public way to its connections."""
    mounted: Iterable[Any] = (client._transport, *client._mounts.values())
    for transport in mounted:
        pool: Any = getattr(getattr(transport, "inner", transport), "_pool", None)
        if pool is not None:
            pool._network_backend = Gathering(pool._network_backend, wanted)


class Gathering(AsyncNetworkBackend):
    def __init__(self, inner: AsyncNetworkBackend, wanted: Pause) -> None:
        self._inner, self._wanted = inner, wanted

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> AsyncNetworkStream:
        return _Stream(await self._inner.connect_tcp(*args, **kwargs), self._wanted)

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> AsyncNetworkStream:
        return _Stream(await self._inner.connect_unix_socket(*args, **kwargs), self._wanted)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Stream(AsyncNetworkStream):
    def __init__(self, inner: AsyncNetworkStream, wanted: Pause) -> None:
        self._inner, self._wanted = inner, wanted
        self._reads = 0  # since something was asked

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        data = await self._inner.read(max_bytes, timeout)
        self._reads += 1
        seconds = self._wanted()
        if not data or self._reads <= _AT_ONCE or not seconds:
            return data
        await asyncio.sleep(seconds)
        pieces = [data]
        # What fails here, or is only half there, is met again by the next read.
        with contextlib.suppress(httpcore2.NetworkError, httpcore2.TimeoutException, TimeoutError):
            async with asyncio.timeout(_AT_MOST):
                await self._read_on(pieces, max_bytes)
        return b"".join(pieces)

    async def _read_on(self, pieces: list[bytes], max_bytes: int) -> None:
        size = 0
        while size < _MOST and self._inner.get_extra_info("is_readable"):
            more = await self._inner.read(max_bytes)
            if not more:  # the end; the next read meets it again
                return
            pieces.append(more)
            size += len(more)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._reads = 0
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncNetworkStream:
        return _Stream(
            await self._inner.start_tls(ssl_context, server_hostname, timeout), self._wanted
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

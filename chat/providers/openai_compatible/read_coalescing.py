"""Reads what a provider's stream sends in fewer, larger pieces.

A token comes as a packet of its own, and each one read is a turn of the loop that all replies
share. So a reader that is ahead of its stream waits a moment, and then takes what has come by
then; the more streams there are, the longer. It knows neither HTTP nor what is sent.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpcore2
import httpx2
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

SHORTEST = 0.02  # seconds between two pieces, less than between two looks at a reply
PAUSE = 0.0016  # seconds for each stream there is …
LONGEST = 0.08  # … but no more
_AT_ONCE = 3  # first reads of a response: its head and its first words
_AT_MOST = 0.01  # seconds that reading on may take …
_STILL = 0.001  # … and that a record may take that is not there yet
_MOST = 1_000_000  # bytes that one read brings

Pause = Callable[[], float]


def pause(streams: int) -> float:
    """Seconds between two pieces of a stream."""
    return min(LONGEST, max(SHORTEST, streams * PAUSE))


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
    def __init__(
        self,
        inner: AsyncNetworkStream,
        wanted: Pause,
        *,
        is_encrypted: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inner, self._wanted, self._is_encrypted = inner, wanted, is_encrypted
        self._sleep = sleep
        self._reads = 0  # since something was asked
        self._next_at = 0.0  # on the loop's clock
        self._failure: ssl.SSLError | None = None  # met behind words that had come

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._failure is not None:
            raise self._failure
        loop, pause = asyncio.get_running_loop(), self._wanted()
        self._reads += 1
        gathers = pause > 0 and self._reads > _AT_ONCE
        asked_at = loop.time()
        if gathers and self._next_at > asked_at:
            await self._sleep(self._next_at - asked_at)
            asked_at = loop.time()
        data = await self._inner.read(_MOST if gathers else max_bytes, timeout)
        if gathers and data and self._is_encrypted:
            data = await self._with_records(data)
        read_at = loop.time()
        # Where nothing is ahead, to wait would gain nothing: the stream itself is slow.
        self._next_at = 0.0 if read_at - asked_at > pause / 2 else read_at + pause
        return data

    async def _with_records(self, data: bytes) -> bytes:
        """The rest of what has come: under TLS one read brings one record, about a token."""
        pieces, size, by = [data], len(data), asyncio.get_running_loop().time() + _AT_MOST
        # What fails here, or is only half there, is met again by the next read.
        try:
            while size < _MOST and asyncio.get_running_loop().time() < by:
                async with asyncio.timeout(_STILL):
                    more = await self._inner.read(_MOST)
                if not more:  # the end; the next read meets it again
                    break
                pieces.append(more)
                size += len(more)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, TimeoutError):
            pass
        except ssl.SSLError as error:  # this is said once only
            self._failure = error
        return b"".join(pieces)

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
        inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return _Stream(inner, self._wanted, is_encrypted=True)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

"""Network backend that reads streamed responses in fewer, larger chunks.

Providers send each token in a packet of its own, and each read takes a turn of the event loop that
all replies share. A reader that is ahead of its stream therefore waits a moment and then takes
everything that has arrived; the delay grows with the number of open streams. This module knows
neither HTTP nor the content.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpcore2
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

MIN_DELAY = 0.02  # seconds between two reads; shorter than the interval at which pages poll a reply
MAX_DELAY = 0.08
_DELAY_PER_STREAM = 0.0016
_IMMEDIATE_READS = 3  # per response: the headers and the first tokens are never delayed
_MAX_DRAIN_SECONDS = 0.01  # for draining further TLS records after a read
_RECORD_TIMEOUT = 0.001  # seconds to wait for a TLS record that is not complete yet
_MAX_READ_BYTES = 1_000_000

Delay = Callable[[], float]


def coalescing_delay(streams: int) -> float:
    """Return the seconds between two reads of a stream while `streams` are open."""
    return min(MAX_DELAY, max(MIN_DELAY, streams * _DELAY_PER_STREAM))


class CoalescingBackend(AsyncNetworkBackend):
    """Wrap the connections of `inner`. `delay` returns the seconds between two reads."""

    def __init__(self, inner: AsyncNetworkBackend, delay: Delay) -> None:
        self._inner, self._delay = inner, delay

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> AsyncNetworkStream:
        return CoalescingStream(await self._inner.connect_tcp(*args, **kwargs), self._delay)

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> AsyncNetworkStream:
        return CoalescingStream(await self._inner.connect_unix_socket(*args, **kwargs), self._delay)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class CoalescingStream(AsyncNetworkStream):
    """One connection. A delay of 0 passes every read through unchanged."""

    def __init__(
        self,
        inner: AsyncNetworkStream,
        delay: Delay,
        *,
        is_encrypted: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inner, self._delay, self._is_encrypted = inner, delay, is_encrypted
        self._sleep = sleep
        self._reads = 0  # since the last write
        self._next_read_at = 0.0  # on the event loop's clock
        self._tls_error: ssl.SSLError | None = None  # raised by the next read

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._tls_error is not None:
            raise self._tls_error
        loop, delay = asyncio.get_running_loop(), self._delay()
        self._reads += 1
        coalesces = delay > 0 and self._reads > _IMMEDIATE_READS
        started_at = loop.time()
        if coalesces and self._next_read_at > started_at:
            await self._sleep(self._next_read_at - started_at)
            started_at = loop.time()
        data = await self._inner.read(_MAX_READ_BYTES if coalesces else max_bytes, timeout)
        if coalesces and data and self._is_encrypted:
            data = await self._drain_records(data)
        read_at = loop.time()
        # A read that had to wait for data means that the provider is slow: a delay gains nothing.
        is_slow = read_at - started_at > delay / 2
        self._next_read_at = 0.0 if is_slow else read_at + delay
        return data

    async def _drain_records(self, data: bytes) -> bytes:
        """Return `data` with the TLS records that follow it; one read yields a single record."""
        loop = asyncio.get_running_loop()
        chunks, size, deadline = [data], len(data), loop.time() + _MAX_DRAIN_SECONDS
        # A network error or an incomplete record is raised again by the next read.
        try:
            while size < _MAX_READ_BYTES and loop.time() < deadline:
                async with asyncio.timeout(_RECORD_TIMEOUT):
                    chunk = await self._inner.read(_MAX_READ_BYTES)
                if not chunk:  # the next read returns the end of the stream again
                    break
                chunks.append(chunk)
                size += len(chunk)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, TimeoutError):
            pass
        except ssl.SSLError as error:  # OpenSSL reports it only once
            self._tls_error = error
        return b"".join(chunks)

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
        return CoalescingStream(inner, self._delay, is_encrypted=True)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

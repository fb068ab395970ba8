"""HTTP transport for provider connections, built on httpcore2's connection pools.

`httpx2.AsyncHTTPTransport` (2.16) does not accept a network backend; the pools of httpcore2 do.
`PoolTransport` adds that argument and otherwise behaves like the transport of httpx2. This module
knows neither the SDK nor the content.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2

from chat.providers.openai_compatible.environment import (
    UnusableCertificates,
    UnusableProxy,
    certificate_problem,
    environment_proxy,
    proxy_problem,
)
from chat.providers.openai_compatible.read_coalescing import CoalescingBackend, Delay
from chat.providers.ssrf.transport import SsrfGuard

_MAX_CONNECTIONS = 1000
_KEEPALIVE_SECONDS = 60.0


def create_transport(
    base_url: str,
    delay: Delay,
    guard: SsrfGuard | None = None,
    *,
    backend: httpcore2.AsyncNetworkBackend | None = None,
) -> httpx2.AsyncBaseTransport:
    """Return the transport for one endpoint, with coalesced reads.

    A guarded transport ignores the proxy of the environment, which would connect in place of the
    guard and so bypass its checks. Raises `UnusableProxy`, and `UnusableCertificates` if the
    endpoint needs certificates.
    """
    coalescing = CoalescingBackend(backend or httpcore2.AnyIOBackend(), delay)
    proxy = None if guard else environment_proxy(base_url)
    if (problem := proxy_problem(proxy)) is not None:
        raise UnusableProxy(problem)
    is_plain = urlsplit(base_url).scheme == "http" and not (proxy or "").startswith("https:")
    ssl_context = None if is_plain else shared_ssl_context()
    transport = PoolTransport(ssl_context, coalescing, proxy=proxy)
    return guard.wrap(transport) if guard else transport


@functools.cache
def shared_ssl_context() -> ssl.SSLContext:
    """Return the SSL context of all providers; loading the CA bundle takes tens of milliseconds."""
    try:
        return httpx2.create_ssl_context()
    except OSError as error:  # also an SSLError
        raise UnusableCertificates(certificate_problem() or str(error)) from None


class PoolTransport(httpx2.AsyncBaseTransport):
    """Send requests through a connection pool that uses `backend` for its network I/O.

    `ssl_context` may be None if no request uses TLS.
    Raises RuntimeError for a SOCKS proxy if the `socksio` package is missing.
    """

    def __init__(
        self,
        ssl_context: ssl.SSLContext | None,
        backend: httpcore2.AsyncNetworkBackend,
        *,
        proxy: str | None = None,
    ) -> None:
        self._pool = _connection_pool(ssl_context, backend, proxy)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        url = request.url
        with _httpx_errors():
            response = await self._pool.handle_async_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        assert isinstance(response.stream, AsyncIterable)
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_ResponseStream(response.stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


def _connection_pool(
    ssl_context: ssl.SSLContext | None,
    backend: httpcore2.AsyncNetworkBackend,
    proxy: str | None,
) -> httpcore2.AsyncConnectionPool:
    options: dict[str, Any] = {
        "ssl_context": ssl_context,
        "max_connections": _MAX_CONNECTIONS,
        "keepalive_expiry": _KEEPALIVE_SECONDS,
        "network_backend": backend,
    }
    if proxy is None:
        return httpcore2.AsyncConnectionPool(**options)
    parsed = httpx2.Proxy(proxy)  # takes the user name and password out of the URL
    is_socks = parsed.url.scheme.startswith("socks")
    kind = httpcore2.AsyncSOCKSProxy if is_socks else httpcore2.AsyncHTTPProxy
    return kind(proxy_url=str(parsed.url), proxy_auth=parsed.raw_auth, **options)


class _ResponseStream(httpx2.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for chunk in self._stream:
                yield chunk

    async def aclose(self) -> None:
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Turn an error of httpcore2 into the error of the same name in httpx2."""
    try:
        yield
    except (
        httpcore2.TimeoutException,
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.ProxyError,
        httpcore2.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx2, type(error).__name__)(str(error)) from error

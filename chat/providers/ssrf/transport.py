"""HTTP transport for user-supplied base URLs: reaches that one public host and no other.

The host name is resolved once, every address is checked, and the connection is made to a checked
address, so that DNS rebinding has no effect. TLS still verifies the host name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from socket import SOCK_STREAM

import httpx2

from chat.errors import AddressRefused
from chat.providers.ssrf.public_address import require_public

Resolve = Callable[[str], Awaitable[list[str]]]

_LOOKUP_TIMEOUT = 5.0  # seconds
_MAX_ADDRESSES = 4  # tried one after the other
_MAX_RESPONSE_BYTES = 32 * 1024 * 1024


async def resolve_host(host: str) -> list[str]:
    """Return the addresses that the system resolver finds for `host`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Send requests through `inner` to the host of `base_url` only.

    Raises `AddressRefused` for any other host and for a host that resolves to a private address.
    Use it from one event loop.
    """

    def __init__(
        self,
        base_url: httpx2.URL,
        inner: httpx2.AsyncBaseTransport,
        *,
        resolve: Resolve = resolve_host,
        check: Callable[[list[str]], tuple[str, ...]] = require_public,
    ) -> None:
        self._base_url, self._inner = base_url, inner
        self._resolve, self._check = resolve, check
        self._addresses: tuple[str, ...] = ()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url, base = request.url, self._base_url
        if (url.scheme, url.raw_host, url.port) != (base.scheme, base.raw_host, base.port):
            raise AddressRefused
        if not self._addresses:
            self._addresses = await self._resolve_checked(url.raw_host.decode("ascii"))
        for address in self._addresses[:_MAX_ADDRESSES]:
            try:
                response = await self._inner.handle_async_request(_pinned(request, address))
            except httpx2.ConnectError as error:
                failure = error
            else:
                return await _bounded(response)
        self._addresses = ()
        raise failure

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _resolve_checked(self, host: str) -> tuple[str, ...]:
        try:
            return self._check([str(ip_address(host))])
        except ValueError:
            pass
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT):
                found = await self._resolve(host)
        except (OSError, UnicodeError, TimeoutError):
            # The same error as for a private address: do not reveal which internal names exist.
            raise AddressRefused from None
        return self._check(found)


@dataclass(frozen=True, slots=True)
class SsrfGuard:
    """Restrict a client to the host of `base_url`."""

    base_url: httpx2.URL
    resolve: Resolve = resolve_host

    def wrap(self, inner: httpx2.AsyncBaseTransport) -> GuardedTransport:
        """Return a guarded transport on top of `inner`, which must not use a proxy."""
        return GuardedTransport(self.base_url, inner, resolve=self.resolve)


def _pinned(request: httpx2.Request, address: str) -> httpx2.Request:
    """Return the request addressed to `address`; the Host header and TLS keep the host name."""
    headers = request.headers.copy()
    headers["accept-encoding"] = "identity"  # no decompression bombs
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
    )


async def _bounded(response: httpx2.Response) -> httpx2.Response:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        await response.aclose()
        raise httpx2.RemoteProtocolError("a compressed response to a request for identity encoding")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    return httpx2.Response(
        response.status_code,
        headers=response.headers,
        stream=_Bounded(response.stream),
        extensions=response.extensions,
    )


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > _MAX_RESPONSE_BYTES:
                raise httpx2.ReadError("a response of more than 32 MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()

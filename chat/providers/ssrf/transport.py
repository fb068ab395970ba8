"""Calls to an address that somebody typed: to a public host only, and to no other than that one.

The name is looked up once, every answer is checked, and the connection is made to the checked
address itself: a name server that answers differently the next time changes nothing. TLS still
verifies the name. No proxy of the environment takes the call elsewhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from socket import SOCK_STREAM

import httpx2

from chat.errors import AddressRefused
from chat.providers.ssrf.public_address import checked

Resolve = Callable[[str], Awaitable[list[str]]]

_LONGEST_LOOKUP = 5.0  # seconds
_MOST_ADDRESSES = 4  # that are tried one after the other
_LARGEST_RESPONSE = 32 * 1024 * 1024


async def look_up(host: str) -> list[str]:
    """The addresses of a host, as the system finds them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class GuardedTransport(httpx2.AsyncBaseTransport):
    """To the host of `base_url` alone. `inner` makes the connections; used from one event loop."""

    def __init__(
        self,
        base_url: httpx2.URL,
        inner: httpx2.AsyncBaseTransport,
        *,
        resolve: Resolve = look_up,
        check: Callable[[list[str]], tuple[str, ...]] = checked,
    ) -> None:
        self._base_url, self.inner = base_url, inner
        self._resolve, self._check = resolve, check
        self._addresses: tuple[str, ...] = ()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url, base = request.url, self._base_url
        if (url.scheme, url.raw_host, url.port) != (base.scheme, base.raw_host, base.port):
            raise AddressRefused
        if not self._addresses:
            self._addresses = await self._look_up(url.raw_host.decode("ascii"))
        for address in self._addresses[:_MOST_ADDRESSES]:
            try:
                response = await self.inner.handle_async_request(_pinned(request, address))
            except httpx2.ConnectError as error:
                failure = error
            else:
                return await _bounded(response)
        self._addresses = ()
        raise failure

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def _look_up(self, host: str) -> tuple[str, ...]:
        try:
            return self._check([str(ip_address(host))])
        except ValueError:
            pass
        try:
            async with asyncio.timeout(_LONGEST_LOOKUP):
                found = await self._resolve(host)
        except (OSError, UnicodeError, TimeoutError):
            # The same sentence: whether a private name exists is nobody's business either.
            raise AddressRefused from None
        return self._check(found)


@dataclass(frozen=True, slots=True)
class SsrfGuard:
    """How a client is made that reaches the host of `base_url` and nothing else."""

    base_url: httpx2.URL
    resolve: Resolve = look_up

    def transport(self, certificates: ssl.SSLContext) -> httpx2.AsyncBaseTransport:
        inner = httpx2.AsyncHTTPTransport(verify=certificates, trust_env=False)
        return GuardedTransport(self.base_url, inner, resolve=self.resolve)


def _pinned(request: httpx2.Request, address: str) -> httpx2.Request:
    """The same request to `address`; the host stays in its header and in TLS."""
    headers = request.headers.copy()
    headers["accept-encoding"] = "identity"  # what is small on the wire is small in memory
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
        raise httpx2.RemoteProtocolError("a compressed response that was not asked for")
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
            if size > _LARGEST_RESPONSE:
                raise httpx2.ReadError("a response of more than 32 MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()

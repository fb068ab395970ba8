"""HTTP client of the SDK that reads no more of a response than Parley parses.

Every body but that of a streamed reply is parsed on the event loop of all replies, so that a
larger one would delay them all. This module knows no provider.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from chat.providers.openai_compatible.error_body import MAX_ERROR_BYTES

MAX_DOCUMENT_BYTES = 4 * 2**20  # of a model list or a transcription
_REMOVED_HEADERS = ("content-encoding", "content-length", "transfer-encoding")


class HttpClient(httpx2.AsyncClient):
    """`on_response` is called with every response that is not streamed, after it was read.

    `connect_timeout_error` creates the error of the SDK for a connect timeout.
    """

    def __init__(
        self,
        on_response: Callable[[httpx2.Response], Awaitable[None]],
        connect_timeout_error: Callable[[httpx2.Request], Exception],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._on_response, self._connect_timeout_error = on_response, connect_timeout_error

    async def send(
        self, request: httpx2.Request, *, stream: bool = False, **options: Any
    ) -> httpx2.Response:
        """Send without retrying a connect timeout, and cut off the rest of an oversized body.

        The SDK does not retry its own errors, and retrying would triple the connect timeout.
        """
        try:
            response = await super().send(request, stream=True, **options)
        except httpx2.ConnectTimeout:
            raise self._connect_timeout_error(request) from None
        if stream and response.is_success:
            return response
        size = MAX_DOCUMENT_BYTES if response.is_success else MAX_ERROR_BYTES
        response = await _read(response, size)
        await self._on_response(response)
        return response


async def _read(response: httpx2.Response, size: int) -> httpx2.Response:
    """Return the response with the first `size` bytes of its body, decoded."""
    content = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) >= size:
                break
    finally:
        await response.aclose()
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in _REMOVED_HEADERS
    ]
    return httpx2.Response(
        response.status_code,
        headers=headers,
        content=bytes(content[:size]),
        request=response.request,
        extensions=response.extensions,
    )

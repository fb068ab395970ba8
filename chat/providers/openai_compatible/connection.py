"""HTTP access to an OpenAI-compatible endpoint; the only module that imports the openai package.

The SDK sends, authenticates and retries requests.
"""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import httpx2
import openai

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.providers import base_url
from chat.providers.openai_compatible.environment import (
    UnusableCertificates,
    UnusableProxy,
    environment_proxy,
)
from chat.providers.openai_compatible.error_body import ErrorBody, parse_error_body
from chat.providers.openai_compatible.error_mapping import to_provider_error
from chat.providers.openai_compatible.http_client import HttpClient
from chat.providers.openai_compatible.network_errors import connection_error, describe_cause
from chat.providers.openai_compatible.read_coalescing import coalescing_delay
from chat.providers.openai_compatible.retry_after import seconds_to_wait
from chat.providers.openai_compatible.sse import ParseError
from chat.providers.openai_compatible.transport import create_transport
from chat.providers.ssrf.transport import SsrfGuard

log = logging.getLogger(__name__)

DISCOVERY_TIMEOUT = httpx2.Timeout(5.0, connect=2.0)
_NO_KEY = "no-key-needed"  # the SDK requires a key; servers without authentication ignore it
_MAX_RETRY_WAIT = 10.0  # seconds; for a longer wait the page shows a countdown instead
_OWN_HEADERS = re.compile(
    r"host|accept(-encoding)?|connection|content-(type|length)|transfer-encoding|user-agent|x-stainless-.*"
)


class RequestRefused(Exception):
    """The endpoint answered a request with a bad status."""

    def __init__(self, body: ErrorBody, headers: Mapping[str, str]) -> None:
        self.body, self.headers = body, headers
        super().__init__("refused")


class Connection:
    """HTTP access to one endpoint: requests, retries and error conversion.

    Use it from one event loop. `open_streams` is the number of responses being read.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        guard: SsrfGuard | None = None,
    ) -> None:
        self.label = endpoint.label
        keys = (endpoint.api_key, *base_url.secrets_of(endpoint.base_url))
        self.secrets = tuple(each for each in keys if each)
        self._base_url = endpoint.base_url
        self.open_streams = 0
        self._endpoint, self._settings = endpoint, settings
        self._transport, self._guard = transport, guard
        self._client: openai.AsyncOpenAI | None = None

    async def open_stream(self, model: str, body: Mapping[str, Any], stack: AsyncExitStack) -> Any:
        """Send a chat request; return the response, which `stack` closes, to be read as a stream.

        Raises `RequestRefused` for a bad status.
        """
        client = await self.client()
        try:
            # As `extra_body`: the SDK transforms its own arguments message by message, which
            # blocks the event loop for 40 ms in a long conversation.
            return await stack.enter_async_context(
                client.chat.completions.with_streaming_response.create(
                    model=model, messages=[], stream=True, extra_body=body
                )
            )
        except openai.APIStatusError as error:
            response = error.response
            refusal = parse_error_body(error.status_code, response.content)
        # Raised outside the `except`: the original holds the request and its key.
        raise RequestRefused(refusal, response.headers)

    async def get_models(self) -> bytes:
        """Return the body of the list of models, without retries."""
        client = await self.client()
        response = await client.get(
            "/models",
            cast_to=httpx2.Response,
            options={"max_retries": 0, "timeout": DISCOVERY_TIMEOUT},
        )
        return response.content

    async def transcribe(
        self, model: str, file: tuple[str, bytes, str], language: str | None
    ) -> bytes:
        """Return the response body for a recording; `file` is (name, content, media type)."""
        client = await self.client()
        response = await client.audio.transcriptions.with_raw_response.create(
            model=model, file=file, language=language or openai.omit, response_format="json"
        )
        return response.content

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def add_version(self) -> bool:
        """Append `/v1` to a base URL without a path, which often lacks it.

        Return False if the base URL has a path.
        """
        if base_url.has_path(self._endpoint.base_url):
            return False
        self._set_base_url(base_url.with_path(self._endpoint.base_url, "/v1"))
        return True

    def remove_version(self) -> None:
        """Use the base URL as it was configured: `/v1` was not what it lacked."""
        self._set_base_url(self._endpoint.base_url)

    def _set_base_url(self, url: str) -> None:
        self._base_url = url
        if self._client is not None:
            self._client.base_url = base_url.split_query(url)[0]

    async def client(self) -> openai.AsyncOpenAI:
        """Return the SDK client, created in a thread on first use."""
        if self._client is None:
            created = await asyncio.to_thread(self._create_client)
            self._client = self._client or created  # a concurrent call may have finished first
        return self._client

    def _create_client(self) -> openai.AsyncOpenAI:
        endpoint, settings = self._endpoint, self._settings
        timeout = httpx2.Timeout(None, connect=settings.connect_timeout)
        transport = self._transport or create_transport(
            endpoint.base_url, lambda: coalescing_delay(self.open_streams), self._guard
        )
        http_client = HttpClient(
            self._limit_retries,
            openai.APITimeoutError,
            timeout=timeout,
            transport=transport,
            event_hooks={"request": [self._remove_environment_headers]},
        )
        url, query = base_url.split_query(self._base_url)
        client = openai.AsyncOpenAI(
            base_url=url,
            default_query=query,
            api_key=endpoint.api_key or _NO_KEY,
            timeout=timeout,
            max_retries=settings.max_retries,
            http_client=http_client,
        )
        # The SDK follows redirects by default and would send the conversation to any host.
        http_client.follow_redirects = False
        if endpoint.name != "openai":
            # The SDK reads both from the environment; they are meant for OpenAI only.
            client.organization = client.project = None
        return client

    async def _remove_environment_headers(self, request: httpx2.Request) -> None:
        """Remove headers that the SDK adds from the environment (`OPENAI_CUSTOM_HEADERS`).

        They may hold credentials for OpenAI, or for the gateway that replaces it, and are not sent
        to other providers.
        """
        if self._endpoint.name == "openai":
            return
        for name in list(request.headers):
            if not _OWN_HEADERS.fullmatch(name):
                del request.headers[name]
        request.headers["authorization"] = f"Bearer {self._endpoint.api_key or _NO_KEY}"

    async def _limit_retries(self, response: httpx2.Response) -> None:
        """Disable the SDK's retry when the wait is too long or the account has no credit.

        All retries together stay within the first-token timeout.
        """
        if response.status_code != 429 and response.status_code < 500:
            return
        share = self._settings.first_token_timeout / (self._settings.max_retries + 1)
        body = parse_error_body(response.status_code, response.content)
        wait = seconds_to_wait(body, response.headers, datetime.now(UTC)) or 0.0
        is_final = wait > min(_MAX_RETRY_WAIT, share)
        if response.status_code == 429 and not is_final:
            is_final = isinstance(self.error_from_body(body, model=""), errors.NoCredit)
        if is_final:
            response.headers["x-should-retry"] = "false"

    def provider_error(self, error: Exception) -> errors.ProviderError:
        """Convert `error`, without its causes: they hold the request and its key."""
        if isinstance(error, errors.ProviderError):
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)
        kind: type[errors.ProviderError] = errors.ProviderError
        if isinstance(error, openai.APIStatusError):
            body = parse_error_body(error.status_code, error.response.content)
            return self.error_from_body(body, model="", headers=error.response.headers)
        if isinstance(error, (openai.APITimeoutError, TimeoutError)):
            kind = errors.ConnectionLost
        elif isinstance(error, UnusableCertificates):
            kind = errors.TlsFailed
        elif isinstance(error, UnusableProxy):
            kind = errors.ProxyFailed
        elif isinstance(error, openai.APIConnectionError):
            kind = self._proxied(connection_error(error))
        elif isinstance(error, (ParseError, httpx2.DecodingError)):
            kind = errors.MalformedResponse
        elif isinstance(error, httpx2.HTTPError):
            kind = errors.StreamInterrupted
        else:
            # Stack frames only: the message of an unexpected error may quote the request.
            frames = "".join(traceback.format_tb(error.__traceback__, limit=-6))
            log.error(
                "unexpected %s from %s:\n%s", type(error).__name__, self._endpoint.name, frames
            )
        is_problem = isinstance(error, UnusableCertificates | UnusableProxy)
        details = str(error) if is_problem else describe_cause(error)
        return kind(self.label, details=details, secrets=self.secrets)

    def _proxied(self, kind: type[errors.ProviderError]) -> type[errors.ProviderError]:
        """Return the error for a connection that failed, perhaps on its way to the proxy."""
        uses_proxy = self._guard is None and environment_proxy(self._endpoint.base_url)
        return kind if kind is errors.TlsFailed or not uses_proxy else errors.ProxyFailed

    def error_from_body(
        self, body: ErrorBody, *, model: str, headers: Mapping[str, str] | None = None
    ) -> errors.ProviderError:
        """Return the error for a refusal by this endpoint."""
        return to_provider_error(
            body, headers or {}, provider=self.label, model=model, secrets=self.secrets
        )

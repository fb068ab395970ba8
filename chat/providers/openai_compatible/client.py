"""Provider for any OpenAI-compatible API; the only module that imports the openai package.

The SDK sends, authenticates and retries requests. Response bodies are read as raw bytes
(`stream_parser`): the SDK's event objects cost several times the CPU and hide malformed or
incomplete streams. Every wait has a limit: connecting here, the first token (retries included) and
the gap between tokens in `timeouts`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import traceback
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.providers.base import Delta, Model, Request
from chat.providers.endpoints import length_parameter
from chat.providers.openai_compatible.error_mapping import (
    ErrorBody,
    parse_error_body,
    retry_after_seconds,
    to_provider_error,
)
from chat.providers.openai_compatible.http_client import HttpClient
from chat.providers.openai_compatible.model_list import (
    assumed_models,
    merge_models,
    parse_model_list,
)
from chat.providers.openai_compatible.network_errors import connection_error, describe_cause
from chat.providers.openai_compatible.read_coalescing import coalescing_delay
from chat.providers.openai_compatible.request_body import (
    LearnedParameters,
    find_parameter_fix,
    request_body,
)
from chat.providers.openai_compatible.sse import ParseError, parse_json
from chat.providers.openai_compatible.stream_parser import ReplyParser
from chat.providers.openai_compatible.timeouts import StreamTimeouts
from chat.providers.openai_compatible.transport import create_transport
from chat.providers.ssrf.transport import SsrfGuard

log = logging.getLogger(__name__)

_NO_KEY = "no-key-needed"  # the SDK requires a key; servers without authentication ignore it
_MAX_RETRY_WAIT = 10.0  # seconds; for a longer wait the page shows a countdown instead
_OWN_HEADERS = re.compile(
    r"host|accept(-encoding)?|connection|content-(type|length)|transfer-encoding|user-agent|x-stainless-.*"
)
_DISCOVERY_TIMEOUT = httpx2.Timeout(5.0, connect=2.0)


class OpenAIProvider:
    """One endpoint. Use it from one event loop; `models()` is safe from any thread.

    `is_local` marks a server that was not configured but is probed on its default port: it offers
    models only while `is_live`. `transport` replaces the network, for tests.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        is_local: bool = False,
        guard: SsrfGuard | None = None,
    ) -> None:
        self.name, self.label = endpoint.name, endpoint.label
        self.is_local = is_local
        self.is_live = not is_local
        self.last_error: errors.ProviderError | None = None
        self._endpoint = endpoint
        self._connection = Connection(endpoint, settings, transport=transport, guard=guard)
        self._timeouts = StreamTimeouts(self.label, settings, self._connection.secrets)
        self._models = tuple(assumed_models(endpoint.name, endpoint.models))
        self._learned = LearnedParameters()
        self._limit_name = length_parameter(endpoint)

    def models(self) -> tuple[Model, ...]:
        return self._models if self.is_live else ()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """See `base.Provider`. Closing it, or cancelling its task, closes the HTTP response."""
        to_error = functools.partial(self._connection.error_from_body, model=request.model)
        parser = ReplyParser(self.label, to_error, self._connection.secrets)
        self._connection.open_streams += 1
        try:
            async with aclosing(self._read(request, parser)) as deltas:
                async for delta in deltas:
                    yield delta
        except Exception as error:  # a stream raises only ProviderErrors
            failure = self._connection.provider_error(error)
        else:
            return
        finally:
            self._connection.open_streams -= 1
        for delta in parser.flush():
            yield delta
        # Raised outside the `except`: the original holds the request and its key and must not
        # become the context of this error.
        raise failure

    async def discover(self) -> None:
        try:
            async with asyncio.timeout(_DISCOVERY_TIMEOUT.read):
                client = await self._connection.client()
                response = await client.get(
                    "/models",
                    cast_to=httpx2.Response,
                    options={"max_retries": 0, "timeout": _DISCOVERY_TIMEOUT},
                )
            entries = parse_model_list(parse_json(response.content))
            if entries is None:
                raise ParseError("/models is not a list of models")
        except Exception as error:  # replies work without a model list
            self.last_error = self._connection.provider_error(error)
            self.is_live = not self.is_local
            log.info("models of %s not discovered: %s", self.name, self.last_error.code)
            return
        self.last_error, self.is_live = None, True
        if entries or self.is_local:
            secrets = self._connection.secrets
            self._models = tuple(merge_models(self.name, self._endpoint.models, entries, secrets))

    async def close(self) -> None:
        await self._connection.close()

    async def _read(self, request: Request, parser: ReplyParser) -> AsyncGenerator[Delta, None]:
        deadline = self._timeouts.first_token_deadline()
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(deadline):
                    response = await self._open(request, stack)
            except TimeoutError:
                raise self._timeouts.first_token_timeout() from None
            body = await stack.enter_async_context(aclosing(response.iter_bytes()))
            deltas = self._timeouts.read(body, parser, deadline)
            async for delta in await stack.enter_async_context(aclosing(deltas)):
                yield delta

    async def _open(self, request: Request, stack: AsyncExitStack) -> Any:
        """Return the response once its status is good.

        A request that is refused because of an optional parameter is repeated without it, once per
        parameter. Raises a `ProviderError` for every other refusal.
        """
        client = await self._connection.client()
        known = self._learned.for_model(request.model)
        applied: dict[str, str | None] = {}
        lasting: dict[str, str | None] = {}
        while True:
            body = request_body(request, self._limit_name, {**known, **applied})
            try:
                # As `extra_body`: the SDK transforms its own arguments message by message, which
                # blocks the event loop for 40 ms in a long conversation.
                response = await stack.enter_async_context(
                    client.chat.completions.with_streaming_response.create(
                        model=request.model, messages=[], stream=True, extra_body=body
                    )
                )
            except openai.APIStatusError as error:
                refusal = parse_error_body(error.status_code, error.response.content)
                failure = self._connection.error_from_body(
                    refusal, model=request.model, headers=error.response.headers
                )
                fix = find_parameter_fix(refusal, body, applied, self._limit_name)
                if fix is None or not isinstance(failure, errors.RefusedParameter):
                    raise failure from None
                applied[fix.name] = fix.replacement
                if fix.is_lasting:
                    lasting[fix.name] = fix.replacement
            else:
                self._learned.remember(request.model, lasting)
                return response


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
        password = urlsplit(endpoint.base_url).password
        self.secrets = tuple(each for each in (endpoint.api_key, password) if each)
        self.open_streams = 0
        self._endpoint, self._settings = endpoint, settings
        self._transport, self._guard = transport, guard
        self._client: openai.AsyncOpenAI | None = None

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
        client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
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
        wait = retry_after_seconds(response.headers, datetime.now(UTC)) or 0.0
        is_final = wait > min(_MAX_RETRY_WAIT, share)
        if response.status_code == 429 and not is_final:
            body = parse_error_body(429, response.content)
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
        elif isinstance(error, openai.APIConnectionError):
            kind = connection_error(error)
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
        return kind(self.label, details=describe_cause(error), secrets=self.secrets)

    def error_from_body(
        self, body: ErrorBody, *, model: str, headers: Mapping[str, str] | None = None
    ) -> errors.ProviderError:
        """Return the error for a refusal by this endpoint."""
        return to_provider_error(
            body, headers or {}, provider=self.label, model=model, secrets=self.secrets
        )

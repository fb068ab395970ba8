"""Any OpenAI-compatible API as a provider: the only file that imports the openai package.

The SDK sends, authenticates and retries; the body is read as raw bytes (`reply.py`), because its
event objects cost several times the CPU and hide malformed and unfinished streams. All waiting is
bounded: to connect here, until the first token (retries included) and between tokens in
`patience.py`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import ssl
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
from chat.domain.person import OWN_KEY_PREFIX
from chat.providers.base import Delta, Model, Request
from chat.providers.openai_compatible.error_mapping import (
    Said,
    fault,
    read_body,
    retry_after_seconds,
)
from chat.providers.openai_compatible.model_list import as_models, assumed_models, read_models
from chat.providers.openai_compatible.network_errors import connection_fault, described
from chat.providers.openai_compatible.read_coalescing import gather, pause
from chat.providers.openai_compatible.request_body import (
    LearnedParameters,
    parameter_fix,
    parameters,
)
from chat.providers.openai_compatible.sse import Unreadable, read_json
from chat.providers.openai_compatible.stream_parser import ReplyReader
from chat.providers.openai_compatible.timeouts import StreamTimeouts
from chat.providers.ssrf.transport import SsrfGuard

log = logging.getLogger(__name__)

_NO_KEY = "no-key-needed"  # the SDK insists on a key; servers that need none ignore it
_LONGEST_RETRY_WAIT = 10.0  # a person is waiting: rather show the countdown than sit out a minute
_OWN_HEADERS = re.compile(
    r"host|accept(-encoding)?|connection|content-(type|length)|transfer-encoding|user-agent|x-stainless-.*"
)
_DISCOVERY = httpx2.Timeout(5.0, connect=2.0)


class OpenAIProvider:
    """One endpoint. Used from one event loop only; `models()` from anywhere.

    `is_local` marks a server that was not configured but is looked for on its usual port: it
    offers models only while `is_live`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        *,
        http_client: httpx2.AsyncClient | None = None,
        is_local: bool = False,
        guard: SsrfGuard | None = None,
    ) -> None:
        self.name, self.label = endpoint.name, endpoint.label
        self.is_local = is_local
        self.is_live = not is_local
        self.last_error: errors.ProviderError | None = None
        self._endpoint = endpoint
        self._connection = Connection(endpoint, settings, http_client=http_client, guard=guard)
        self._patience = StreamTimeouts(self.label, settings, self._connection.secrets)
        self._models = tuple(assumed_models(endpoint.name, endpoint.models))
        self._lessons = LearnedParameters()
        is_openai = endpoint.name.removeprefix(OWN_KEY_PREFIX) == "openai" and endpoint.is_standard
        self._cap = "max_completion_tokens" if is_openai else "max_tokens"

    def models(self) -> tuple[Model, ...]:
        return self._models if self.is_live else ()

    async def warm(self) -> None:
        """Make the client ahead of its first use; reading the certificates takes a moment."""
        await self._connection.ready()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """See `base.Provider`. Closing it, or cancelling its task, closes the HTTP response."""
        words = functools.partial(self._connection.fault, model=request.model)
        reader = ReplyReader(self.label, words, self._connection.secrets)
        self._connection.streams += 1
        try:
            async with aclosing(self._read(request, reader)) as deltas:
                async for delta in deltas:
                    yield delta
        except Exception as error:  # nothing but ProviderErrors may leave a stream
            failure = self._connection.worded(error)
        else:
            return
        finally:
            self._connection.streams -= 1
        for delta in reader.flush():
            yield delta
        # Outside the `except`: the original holds the request with its key and must not be chained.
        raise failure

    async def discover(self) -> None:
        try:
            async with asyncio.timeout(_DISCOVERY.read):
                client = await self._connection.ready()
                response = await client.get(
                    "/models",
                    cast_to=httpx2.Response,
                    options={"max_retries": 0, "timeout": _DISCOVERY},
                )
            told = read_models(read_json(response.content))
            if told is None:
                raise Unreadable("/models is no list of models")
        except Exception as error:  # without a list one can still chat
            self.last_error = self._connection.worded(error)
            self.is_live = not self.is_local
            log.info("models of %s not discovered: %s", self.name, self.last_error.code)
            return
        self.last_error, self.is_live = None, True
        if told or self.is_local:
            secrets = self._connection.secrets
            self._models = tuple(as_models(self.name, self._endpoint.models, told, secrets))

    async def close(self) -> None:
        await self._connection.close()

    async def _read(self, request: Request, reader: ReplyReader) -> AsyncGenerator[Delta, None]:
        first_token_by = self._patience.first_token_by()
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(first_token_by):
                    response = await self._open(request, stack)
            except TimeoutError:
                raise self._patience.too_late() from None
            body = await stack.enter_async_context(aclosing(response.iter_bytes()))
            deltas = self._patience.read(body, reader, first_token_by)
            async for delta in await stack.enter_async_context(aclosing(deltas)):
                yield delta

    async def _open(self, request: Request, stack: AsyncExitStack) -> Any:
        """The response once its status is good, without parameters that the model refuses."""
        client = await self._connection.ready()
        known = self._lessons.about(request.model)
        made: dict[str, str | None] = {}
        learned: dict[str, str | None] = {}
        while True:
            body = parameters(request, self._cap, {**known, **made})
            try:
                # As `extra_body`: the SDK walks through its own arguments message by message, which
                # takes 40 ms for a long conversation, on the loop of all replies.
                response = await stack.enter_async_context(
                    client.chat.completions.with_streaming_response.create(
                        model=request.model, messages=[], stream=True, extra_body=body
                    )
                )
            except openai.APIStatusError as error:
                said = read_body(error.status_code, error.response.content)
                failure = self._connection.fault(
                    said, model=request.model, headers=error.response.headers
                )
                change = parameter_fix(said, body, made, self._cap)
                if change is None or not isinstance(failure, errors.RefusedParameter):
                    raise failure from None
                made[change.name] = change.name_here
                if change.is_lasting:
                    learned[change.name] = change.name_here
            else:
                self._lessons.remember(request.model, learned)
                return response


class Connection:
    """To one endpoint: sends, retries, and words what fails. Used from one event loop only."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        *,
        http_client: httpx2.AsyncClient | None = None,
        guard: SsrfGuard | None = None,
    ) -> None:
        self.label = endpoint.label
        password = urlsplit(endpoint.base_url).password
        self.secrets = tuple(each for each in (endpoint.api_key, password) if each)
        self._endpoint, self._settings = endpoint, settings
        self._http_client, self._guard = http_client, guard
        self._client: openai.AsyncOpenAI | None = None
        self.streams = 0  # that are read just now

    async def transcribe(
        self, model: str, file: tuple[str, bytes, str], language: str | None
    ) -> bytes:
        """The body of the answer to a recording; `file` is (name, content, media type)."""
        client = await self.ready()
        response = await client.audio.transcriptions.with_raw_response.create(
            model=model, file=file, language=language or openai.omit, response_format="json"
        )
        return response.content

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def ready(self) -> openai.AsyncOpenAI:
        if self._client is None:
            made = await asyncio.to_thread(self._make_client)
            self._client = self._client or made  # another call may have been quicker
        return self._client

    def _make_client(self) -> openai.AsyncOpenAI:
        endpoint, settings = self._endpoint, self._settings
        timeout = httpx2.Timeout(None, connect=settings.connect_timeout)
        guard = self._guard
        http_client = self._http_client or _HttpClient(
            timeout=timeout,
            verify=_certificates(),
            transport=guard.transport(_certificates()) if guard else None,
            # No proxy leads to this machine, nor around the guard.
            trust_env=guard is None and not _is_loopback(endpoint.base_url),
            limits=httpx2.Limits(max_connections=1000, keepalive_expiry=60.0),
        )
        gather(http_client, lambda: pause(self.streams))
        hooks = http_client.event_hooks
        http_client.event_hooks = {
            "request": [*hooks["request"], self._send_own_headers],
            "response": [*hooks["response"], self._limit_retries],
        }
        client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key or _NO_KEY,
            timeout=timeout,
            max_retries=settings.max_retries,
            http_client=http_client,
        )
        # The SDK would follow them, and take the conversation to wherever they lead.
        http_client.follow_redirects = False
        if endpoint.name != "openai":
            # Read from the environment by the SDK, and nobody else's business.
            client.organization = client.project = None
        return client

    async def _send_own_headers(self, request: httpx2.Request) -> None:
        """Leaves out what the SDK reads from the environment (OPENAI_CUSTOM_HEADERS).

        It is meant for OpenAI, or what stands in for it, and is nobody else's business.
        """
        if self._endpoint.name == "openai":
            return
        for name in list(request.headers):
            if not _OWN_HEADERS.fullmatch(name):
                del request.headers[name]
        request.headers["authorization"] = f"Bearer {self._endpoint.api_key or _NO_KEY}"

    async def _limit_retries(self, response: httpx2.Response) -> None:
        """Tells the SDK not to sit out a long wait, nor to retry where only money helps.

        All retries together stay within the time allowed until the first token.
        """
        if response.status_code != 429 and response.status_code < 500:
            return
        most = self._settings.first_token_timeout / (self._settings.max_retries + 1)
        wait = retry_after_seconds(response.headers, datetime.now(UTC)) or 0.0
        is_hopeless = wait > min(_LONGEST_RETRY_WAIT, most)
        if response.status_code == 429 and not is_hopeless:
            said = read_body(429, await response.aread())
            is_hopeless = isinstance(self.fault(said, model=""), errors.NoCredit)
        if is_hopeless:
            response.headers["x-should-retry"] = "false"

    def worded(self, error: Exception) -> errors.ProviderError:
        """The error a person reads, cut loose from its causes: they hold the request's key."""
        if isinstance(error, errors.ProviderError):
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)
        kind: type[errors.ProviderError] = errors.ProviderError
        if isinstance(error, openai.APIStatusError):
            said = read_body(error.status_code, error.response.content)
            return self.fault(said, model="", headers=error.response.headers)
        if isinstance(error, (openai.APITimeoutError, TimeoutError)):
            kind = errors.ConnectionLost
        elif isinstance(error, openai.APIConnectionError):
            kind = connection_fault(error)
        elif isinstance(error, (Unreadable, httpx2.DecodingError)):
            kind = errors.MalformedResponse
        elif isinstance(error, httpx2.HTTPError):
            kind = errors.StreamInterrupted
        else:
            # Only the places: the message of an unforeseen error may quote the request.
            places = "".join(traceback.format_tb(error.__traceback__, limit=-6))
            log.error(
                "unforeseen %s from %s:\n%s", type(error).__name__, self._endpoint.name, places
            )
        return kind(self.label, details=described(error), secrets=self.secrets)

    def fault(
        self, said: Said, *, model: str, headers: Mapping[str, str] | None = None
    ) -> errors.ProviderError:
        return fault(said, headers or {}, provider=self.label, model=model, secrets=self.secrets)


class _HttpClient(httpx2.AsyncClient):
    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """A connection that could not be made in time is not tried again: the SDK does not retry
        its own errors, and three times the connect timeout is longer than anybody waits.
        """
        try:
            return await super().send(request, **options)
        except httpx2.ConnectTimeout:
            raise openai.APITimeoutError(request) from None


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Read once for all providers: 2 MB and tens of milliseconds each time."""
    return httpx2.create_ssl_context()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")

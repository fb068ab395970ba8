"""Any OpenAI-compatible API as a provider: the only file that imports the openai package.

The SDK sends, authenticates and retries; the body is read as raw bytes (`reply.py`), because its
event objects cost several times the CPU and hide malformed and unfinished streams. All waiting is
bounded here: to connect, until the first token (retries included), and between tokens.
"""

from __future__ import annotations

import asyncio
import functools
import logging
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
from chat.providers.base import Delta, Model, Request
from chat.providers.connection_faults import connection_fault, described
from chat.providers.events import Unreadable, read_json
from chat.providers.faults import Said, fault, read_body, retry_after_seconds
from chat.providers.model_lists import as_models, assumed_models, read_models
from chat.providers.parameters import Lessons, change_for, parameters
from chat.providers.reply import ReplyReader
from chat.settings import Endpoint, Settings

log = logging.getLogger(__name__)

_NO_KEY = "no-key-needed"  # the SDK insists on a key; servers that need none ignore it
_LONGEST_RETRY_WAIT = 10.0  # a person is waiting: rather show the countdown than sit out a minute
_AFTER_FINISH = 3.0  # how long usage may lag behind the last token
_TO_REUSE = 0.1  # how long the end of a body may lag behind [DONE] for its connection to be kept
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
    ) -> None:
        self.name, self.label = endpoint.name, endpoint.label
        self.is_local = is_local
        self.is_live = not is_local
        self.last_error: errors.ProviderError | None = None
        self._endpoint, self._settings = endpoint, settings
        self._http_client = http_client
        self._client: openai.AsyncOpenAI | None = None
        self._models = tuple(assumed_models(endpoint.name, endpoint.models))
        self._lessons = Lessons()
        is_openai = endpoint.name == "openai" and endpoint.is_standard
        self._cap = "max_completion_tokens" if is_openai else "max_tokens"
        password = urlsplit(endpoint.base_url).password
        self._secrets = tuple(each for each in (endpoint.api_key, password) if each)

    def models(self) -> tuple[Model, ...]:
        return self._models if self.is_live else ()

    async def warm(self) -> None:
        """Make the client ahead of its first use; reading the certificates takes a moment."""
        await self._ready()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """See `base.Provider`. Closing it, or cancelling its task, closes the HTTP response."""
        words = functools.partial(self._fault, model=request.model)
        reader = ReplyReader(self.label, words, self._secrets)
        try:
            async with aclosing(self._read(request, reader)) as deltas:
                async for delta in deltas:
                    yield delta
        except Exception as error:  # nothing but ProviderErrors may leave a stream
            failure = self._worded(error)
        else:
            return
        for delta in reader.flush():
            yield delta
        # Outside the `except`: the original holds the request with its key and must not be chained.
        raise failure

    async def discover(self) -> None:
        try:
            async with asyncio.timeout(_DISCOVERY.read):
                client = await self._ready()
                response = await client.get(
                    "/models",
                    cast_to=httpx2.Response,
                    options={"max_retries": 0, "timeout": _DISCOVERY},
                )
            told = read_models(read_json(response.content))
            if told is None:
                raise Unreadable("/models is no list of models")
        except Exception as error:  # without a list one can still chat
            self.last_error = self._worded(error)
            self.is_live = not self.is_local
            log.info("models of %s not discovered: %s", self.name, self.last_error.code)
            return
        self.last_error, self.is_live = None, True
        if told or self.is_local:
            self._models = tuple(as_models(self.name, self._endpoint.models, told))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _read(self, request: Request, reader: ReplyReader) -> AsyncGenerator[Delta, None]:
        loop, settings = asyncio.get_running_loop(), self._settings
        first_token_by = loop.time() + settings.first_token_timeout
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(first_token_by):
                    response = await self._open(request, stack)
            except TimeoutError:
                raise self._too_late() from None
            body = await stack.enter_async_context(aclosing(response.iter_bytes()))
            patience = max(settings.first_token_timeout, settings.idle_timeout)
            by = silent_by = first_token_by
            finish_by: float | None = None
            while not reader.is_done:
                if reader.finish_reason is not None:
                    by = finish_by = finish_by or loop.time() + _AFTER_FINISH
                elif reader.has_content:
                    # A sign of life without content counts, but not for ever.
                    by = min(loop.time() + settings.idle_timeout, silent_by)
                try:
                    async with asyncio.timeout_at(by):
                        chunk = await anext(body, None)
                except (TimeoutError, httpx2.HTTPError) as error:
                    if reader.finish_reason is not None:
                        break  # the whole text is there: how the connection ends changes nothing
                    if not isinstance(error, TimeoutError):
                        raise
                    raise (self._stalled() if reader.has_content else self._too_late()) from None
                if chunk is None:
                    break
                for delta in reader.feed(chunk):
                    silent_by = loop.time() + patience
                    yield delta
            for delta in reader.finish():
                yield delta
            try:
                async with asyncio.timeout(_TO_REUSE):
                    await anext(body, None)
            except (TimeoutError, httpx2.HTTPError):
                return  # then the next call makes a new connection

    async def _open(self, request: Request, stack: AsyncExitStack) -> Any:
        """The response once its status is good, without parameters that the model refuses."""
        client = await self._ready()
        known = self._lessons.about(request.model)
        made: dict[str, str | None] = {}
        learned: dict[str, str | None] = {}
        while True:
            body = parameters(request, self._cap, {**known, **made})
            try:
                response = await stack.enter_async_context(
                    client.chat.completions.with_streaming_response.create(**body)
                )
            except openai.APIStatusError as error:
                said = read_body(error.status_code, error.response.content)
                failure = self._fault(said, model=request.model, headers=error.response.headers)
                change = change_for(said, body, made, self._cap)
                if change is None or not isinstance(failure, errors.RefusedParameter):
                    raise failure from None
                made[change.name] = change.name_here
                if change.is_lasting:
                    learned[change.name] = change.name_here
            else:
                self._lessons.remember(request.model, learned)
                return response

    async def _ready(self) -> openai.AsyncOpenAI:
        if self._client is None:
            made = await asyncio.to_thread(self._make_client)
            self._client = self._client or made  # another call may have been quicker
        return self._client

    def _make_client(self) -> openai.AsyncOpenAI:
        endpoint, settings = self._endpoint, self._settings
        timeout = httpx2.Timeout(None, connect=settings.connect_timeout)
        http_client = self._http_client or _HttpClient(
            timeout=timeout,
            verify=_certificates(),
            trust_env=not _is_loopback(endpoint.base_url),  # no proxy leads to this machine
            limits=httpx2.Limits(max_connections=1000, keepalive_expiry=60.0),
            follow_redirects=True,
        )
        hooks = http_client.event_hooks
        http_client.event_hooks = {**hooks, "response": [*hooks["response"], self._limit_retries]}
        client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key or _NO_KEY,
            timeout=timeout,
            max_retries=settings.max_retries,
            http_client=http_client,
        )
        if endpoint.name != "openai":
            # Read from the environment by the SDK, and nobody else's business.
            client.organization = client.project = None
        return client

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
            is_hopeless = isinstance(self._fault(said, model=""), errors.NoCredit)
        if is_hopeless:
            response.headers["x-should-retry"] = "false"

    def _worded(self, error: Exception) -> errors.ProviderError:
        """The error a person reads, cut loose from its causes: they hold the request's key."""
        if isinstance(error, errors.ProviderError):
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)
        kind: type[errors.ProviderError] = errors.ProviderError
        if isinstance(error, openai.APIStatusError):
            said = read_body(error.status_code, error.response.content)
            return self._fault(said, model="", headers=error.response.headers)
        if isinstance(error, (openai.APITimeoutError, TimeoutError)):
            kind = errors.ConnectionLost
        elif isinstance(error, openai.APIConnectionError):
            kind = connection_fault(error)
        elif isinstance(error, (Unreadable, httpx2.DecodingError)):
            kind = errors.Malformed
        elif isinstance(error, httpx2.HTTPError):
            kind = errors.CutOff
        else:
            # Only the places: the message of an unforeseen error may quote the request.
            places = "".join(traceback.format_tb(error.__traceback__, limit=-6))
            log.error("unforeseen %s from %s:\n%s", type(error).__name__, self.name, places)
        return kind(self.label, details=described(error), secrets=self._secrets)

    def _fault(
        self, said: Said, *, model: str, headers: Mapping[str, str] | None = None
    ) -> errors.ProviderError:
        return fault(said, headers or {}, provider=self.label, model=model, secrets=self._secrets)

    def _too_late(self) -> errors.FirstTokenTimeout:
        seconds = self._settings.first_token_timeout
        return errors.FirstTokenTimeout(self.label, seconds=seconds, secrets=self._secrets)

    def _stalled(self) -> errors.Stalled:
        seconds = self._settings.idle_timeout
        return errors.Stalled(self.label, seconds=seconds, secrets=self._secrets)


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

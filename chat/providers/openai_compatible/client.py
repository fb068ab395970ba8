"""Provider for any OpenAI-compatible API.

`Connection` sends the requests. Response bodies are read as raw bytes (`stream_parser`): the SDK's
event objects cost several times the CPU and hide malformed or incomplete streams. Every wait has a
limit: connecting in `connection`, the first token (retries included) and the gap between tokens in
`timeouts`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import httpx2

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.providers.base import Delta, Model, Request
from chat.providers.endpoints import length_parameter
from chat.providers.openai_compatible.adaptations import (
    STREAM,
    LearnedParameters,
    find_parameter_fix,
)
from chat.providers.openai_compatible.connection import (
    DISCOVERY_TIMEOUT,
    Connection,
    RequestRefused,
)
from chat.providers.openai_compatible.model_list import (
    assumed_models,
    merge_models,
    parse_model_list,
)
from chat.providers.openai_compatible.request_body import request_body
from chat.providers.openai_compatible.sse import ParseError, parse_json
from chat.providers.openai_compatible.stream_parser import ReplyParser
from chat.providers.openai_compatible.timeouts import StreamTimeouts
from chat.providers.ssrf.transport import SsrfGuard

log = logging.getLogger(__name__)


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
        has_begun = False
        try:
            async with aclosing(self._stream(request)) as deltas:
                async for delta in deltas:
                    has_begun = True
                    yield delta
            return
        except errors.MalformedResponse as error:
            if has_begun or not self._connection.add_version():
                raise
            failure = error
        try:
            async with aclosing(self._stream(request)) as deltas:
                async for delta in deltas:
                    yield delta
        except errors.MalformedResponse:
            self._connection.remove_version()
        else:
            return
        raise failure

    async def _stream(self, request: Request) -> AsyncGenerator[Delta, None]:
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
        error = await self._load_models()
        if isinstance(error, errors.MalformedResponse) and self._connection.add_version():
            if await self._load_models() is None:
                error = None
            else:
                self._connection.remove_version()
        self.last_error = error
        self.is_live = error is None or not self.is_local
        if error is not None:
            log.info("models of %s not discovered: %s", self.name, error.code)

    async def _load_models(self) -> errors.ProviderError | None:
        """Replace the models by those that the endpoint lists; return the error of a failure."""
        try:
            async with asyncio.timeout(DISCOVERY_TIMEOUT.read):
                response = await self._connection.get_models()
            entries = parse_model_list(parse_json(response))
            if entries is None:
                raise ParseError("/models is not a list of models")
        except Exception as error:  # replies work without a model list
            return self._connection.provider_error(error)
        if entries or self.is_local:
            secrets = self._connection.secrets
            self._models = tuple(merge_models(self.name, self._endpoint.models, entries, secrets))
        return None

    async def close(self) -> None:
        await self._connection.close()

    async def _read(self, request: Request, parser: ReplyParser) -> AsyncGenerator[Delta, None]:
        deadline = self._timeouts.first_token_deadline()
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(deadline) as limit:
                    response = await self._open(request, stack, limit)
                    deadline = limit.when() or deadline
            except TimeoutError:
                raise self._timeouts.first_token_timeout() from None
            body = await stack.enter_async_context(aclosing(response.iter_bytes()))
            deltas = self._timeouts.read(body, parser, deadline)
            async for delta in await stack.enter_async_context(aclosing(deltas)):
                yield delta

    async def _open(self, request: Request, stack: AsyncExitStack, limit: asyncio.Timeout) -> Any:
        """Return the response once its status is good.

        A refused request is adapted and repeated, once per adaptation; `limit` is extended for a
        reply in one piece. Raises a `ProviderError` for every other refusal.
        """
        known = self._learned.for_model(request.model)
        applied: dict[str, str | int | None] = {}
        lasting: dict[str, str | int | None] = {}
        while True:
            if STREAM in known or STREAM in applied:
                limit.reschedule(self._timeouts.whole_reply_deadline())
            body = request_body(request, self._limit_name, {**known, **applied})
            try:
                response = await self._connection.open_stream(request.model, body, stack)
            except RequestRefused as refused:
                refusal = refused.body
                failure = self._connection.error_from_body(
                    refusal, model=request.model, headers=refused.headers
                )
                fix = find_parameter_fix(refusal, body, applied, self._limit_name)
                if fix is None:
                    raise failure from None
                applied[fix.name] = fix.replacement
                if fix.is_lasting:
                    lasting[fix.name] = fix.replacement
            else:
                self._learned.remember(request.model, lasting)
                return response

"""Time limits for a streamed reply: first token, gap between tokens, end of the body.

Reads a response body that the caller has opened; sends nothing and does not know the SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2

from chat import errors
from chat.config.settings import Settings
from chat.providers.base import Delta
from chat.providers.openai_compatible.stream_parser import ReplyParser

# A stall may be detected early by this share of the idle timeout: moving the timer for every token
# costs CPU.
_TOLERANCE = 0.02
_USAGE_GRACE = 3.0  # seconds that the usage may arrive after a finish reason without text
_WHOLE_REPLY = 5  # times the first token timeout, for a reply in one piece
_REUSE_GRACE = 0.1  # seconds to read the end of the body, so that the connection can be reused


class StreamTimeouts:
    """Timeouts for one endpoint. `provider` is its label."""

    def __init__(self, provider: str, settings: Settings, secrets: tuple[str, ...]) -> None:
        self._provider, self._secrets = provider, secrets
        self._first, self._idle = settings.first_token_timeout, settings.idle_timeout

    def first_token_deadline(self) -> float:
        """Return the event loop time by which a request that starts now must yield a token."""
        return asyncio.get_running_loop().time() + self._first

    def whole_reply_deadline(self) -> float:
        """Return the event loop time by which a reply that is not streamed must arrive."""
        return asyncio.get_running_loop().time() + _WHOLE_REPLY * self._first

    async def read(
        self, body: AsyncIterator[bytes], parser: ReplyParser, first_token_deadline: float
    ) -> AsyncGenerator[Delta, None]:
        """Yield the deltas that `parser` finds in `body`.

        Raises `FirstTokenTimeout` or `StreamStalled` when a time limit passes.
        """
        loop = asyncio.get_running_loop()
        max_silence = max(self._first, self._idle)
        content_deadline = first_token_deadline
        finish_deadline: float | None = None
        grace = min(_USAGE_GRACE, self._idle)
        try:
            async with asyncio.timeout_at(first_token_deadline) as limit:
                while not parser.is_done:
                    if (chunk := await anext(body, None)) is None:
                        break
                    now = loop.time()
                    for delta in parser.feed(chunk):
                        content_deadline = now + max_silence
                        yield delta
                    if parser.is_finish_plain:
                        deadline = finish_deadline = finish_deadline or now + grace
                    elif parser.has_content:
                        # Keep-alive comments extend the deadline, but not without limit.
                        deadline = min(now + self._idle, content_deadline)
                    else:
                        continue
                    if not 0 <= deadline - (limit.when() or deadline) < self._idle * _TOLERANCE:
                        limit.reschedule(deadline)
        except (TimeoutError, httpx2.HTTPError) as error:
            # After the finish reason the text is complete, however the connection ends, unless
            # the provider has sent text after an earlier one.
            if not parser.may_end_without_marker:
                if not isinstance(error, TimeoutError):
                    raise
                failure = self._stalled() if parser.has_content else self.first_token_timeout()
                raise failure from None
        for delta in parser.finish():
            yield delta
        try:
            async with asyncio.timeout(_REUSE_GRACE):
                await anext(body, None)
        except (TimeoutError, httpx2.HTTPError):
            return  # the connection is closed, and the next request opens another

    def first_token_timeout(self) -> errors.FirstTokenTimeout:
        return errors.FirstTokenTimeout(self._provider, seconds=self._first, secrets=self._secrets)

    def _stalled(self) -> errors.StreamStalled:
        return errors.StreamStalled(self._provider, seconds=self._idle, secrets=self._secrets)

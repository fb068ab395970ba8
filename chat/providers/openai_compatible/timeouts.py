"""How long each part of a streamed reply may take: the first token, the next one, the end.

It reads a body that somebody else opened; it knows no SDK and sends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2

from chat import errors
from chat.config.settings import Settings
from chat.providers.base import Delta
from chat.providers.openai_compatible.stream_parser import ReplyReader

_ROUGHLY = 0.02  # of the time between two tokens: so much earlier it may be taken for too long
_AFTER_FINISH = 3.0  # how long usage may lag behind the last token
_TO_REUSE = 0.1  # how long the end of a body may lag behind [DONE] for its connection to be kept


class StreamTimeouts:
    """With one endpoint. `provider` is its label."""

    def __init__(self, provider: str, settings: Settings, secrets: tuple[str, ...]) -> None:
        self._provider, self._secrets = provider, secrets
        self._first, self._idle = settings.first_token_timeout, settings.idle_timeout

    def first_token_by(self) -> float:
        """By when, on the loop's clock, a request that begins now must have said something."""
        return asyncio.get_running_loop().time() + self._first

    async def read(
        self, body: AsyncIterator[bytes], reader: ReplyReader, first_token_by: float
    ) -> AsyncGenerator[Delta, None]:
        """Yield the deltas that `reader` parses from `body`.

        Raises `FirstTokenTimeout` and `StreamStalled`.
        """
        loop = asyncio.get_running_loop()
        longest_silence = max(self._first, self._idle)
        silent_by = first_token_by
        finish_by: float | None = None
        try:
            async with asyncio.timeout_at(first_token_by) as limit:
                while not reader.is_done:
                    if (chunk := await anext(body, None)) is None:
                        break
                    now = loop.time()
                    for delta in reader.feed(chunk):
                        silent_by = now + longest_silence
                        yield delta
                    if reader.finish_reason is not None:
                        by = finish_by = finish_by or now + _AFTER_FINISH
                    elif reader.has_content:
                        # A sign of life without content counts, but not for ever.
                        by = min(now + self._idle, silent_by)
                    else:
                        continue
                    if not 0 <= by - (limit.when() or by) < self._idle * _ROUGHLY:
                        limit.reschedule(by)
        except (TimeoutError, httpx2.HTTPError) as error:
            # When the whole text is there, how the connection ends changes nothing.
            if reader.finish_reason is None:
                if not isinstance(error, TimeoutError):
                    raise
                raise (self._stalled() if reader.has_content else self.too_late()) from None
        for delta in reader.finish():
            yield delta
        try:
            async with asyncio.timeout(_TO_REUSE):
                await anext(body, None)
        except (TimeoutError, httpx2.HTTPError):
            return  # then the next call makes a new connection

    def too_late(self) -> errors.FirstTokenTimeout:
        return errors.FirstTokenTimeout(self._provider, seconds=self._first, secrets=self._secrets)

    def _stalled(self) -> errors.StreamStalled:
        return errors.StreamStalled(self._provider, seconds=self._idle, secrets=self._secrets)

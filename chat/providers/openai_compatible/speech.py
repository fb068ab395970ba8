"""Speech recognition through any OpenAI-compatible `/audio/transcriptions` endpoint.

Parses the response and limits the wait; `client.Connection` sends and retries, `speech_errors`
words the failures.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.observability.redaction import StreamRedactor
from chat.providers.openai_compatible.connection import Connection
from chat.providers.openai_compatible.error_body import parse_error_value
from chat.providers.openai_compatible.speech_errors import SpeechTimeout, to_speech_error
from chat.providers.openai_compatible.sse import ParseError, parse_json

log = logging.getLogger(__name__)

_MIN_TIMEOUT = 60.0  # seconds
_BYTES_PER_EXTRA_SECOND = 50_000  # a longer recording takes longer to upload and to transcribe
_SILENCE = {"[blank_audio]", "[silence]", "(silence)"}  # output of whisper.cpp for silence


class OpenAITranscriber:
    """See `transcriber.Transcriber`.

    `timeout` is in seconds for an empty recording; by default it is one minute or the first-token
    timeout, whichever is longer.
    """

    def __init__(
        self, endpoint: Endpoint, model: str, settings: Settings, *, timeout: float | None = None
    ) -> None:
        self.label = endpoint.label
        self.ref = f"{endpoint.name}/{model}"
        self._name, self._model = endpoint.name, model
        self._language = settings.transcription_language
        self._connection = Connection(endpoint, settings)
        self._timeout = timeout or max(_MIN_TIMEOUT, settings.first_token_timeout)

    async def transcribe(self, audio: bytes, file_name: str, media_type: str) -> str:
        seconds = self.timeout_for(len(audio))
        try:
            async with asyncio.timeout(seconds):
                body = await self._connection.transcribe(
                    self._model, (file_name, audio, media_type), self._language
                )
            text = self._parse(body)
        except TimeoutError:
            failure: errors.ParleyError = SpeechTimeout(self.label, seconds=seconds)
        except Exception as error:  # a transcriber raises only ParleyErrors
            failure = to_speech_error(
                self._connection.provider_error(error),
                provider=self.label,
                model=self._model,
                language=self._language,
            )
        else:
            if text:
                return text
            failure = errors.NoSpeechDetected()
        log.info("no text for %d bytes from %s: %s", len(audio), self._name, failure.code)
        # Raised outside the `except`: the original holds the request and its key.
        raise failure

    def timeout_for(self, size: int) -> float:
        """Return the seconds allowed for a recording of `size` bytes."""
        return self._timeout + size // _BYTES_PER_EXTRA_SECOND

    async def close(self) -> None:
        await self._connection.close()

    def _redacted(self, text: str) -> str:
        """Return the text without the keys of the connection, like the text of a reply."""
        redactor = StreamRedactor(self._connection.secrets)
        return redactor.feed(text) + redactor.finish()

    def _parse(self, body: bytes) -> str:
        """Return the text of a response: JSON, or plain text from some servers."""
        content = body.removeprefix(b"\xef\xbb\xbf").strip()
        if not body or content.startswith(b"<"):
            raise ParseError("an empty response or an HTML page, not a transcription")
        if not content:
            return ""
        try:
            value: Any = parse_json(content)
        except ParseError:
            if content.startswith(b"{"):
                raise
            value = content.decode("utf-8", "replace")
        if isinstance(value, dict):
            if value.get("error") and not value.get("text"):
                raise self._connection.error_from_body(
                    parse_error_value(None, value), model=self._model
                )
            value = value.get("text", value)
        if isinstance(value, int | float):  # a spoken number, sent without quotes
            value = content.decode()
        if not isinstance(value, str):
            raise ParseError("JSON without a text")
        text = self._redacted(value.strip())
        return "" if text.lower() in _SILENCE else text

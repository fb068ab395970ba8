"""Speech to text by any OpenAI-compatible `/audio/transcriptions`.

It knows what an answer looks like and how long one may take; what is sent and retried is the
business of `openai_api.py`, how a failure reads that of `speech_faults.py`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.providers.openai_compatible.client import Connection
from chat.providers.openai_compatible.error_mapping import read_value
from chat.providers.openai_compatible.speech_errors import SpeechTimeout, speech_fault
from chat.providers.openai_compatible.sse import Unreadable, read_json

log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds, unless a first token may take longer still
_BYTES_A_SECOND = 50_000  # what a long recording gets on top: it is sent, and listened to
_SILENCE = {"[blank_audio]", "[silence]", "(silence)"}  # how whisper.cpp writes it down


class OpenAITranscriber:
    """See `transcription.Transcriber`. `patience` is in seconds; default: what settings allow."""

    def __init__(
        self, endpoint: Endpoint, model: str, settings: Settings, *, patience: float | None = None
    ) -> None:
        self.label = endpoint.label
        self.ref = f"{endpoint.name}/{model}"
        self._name, self._model = endpoint.name, model
        self._language = settings.transcription_language
        self._connection = Connection(endpoint, settings)
        self._patience = patience or max(_PATIENCE, settings.first_token_timeout)

    async def transcribe(self, audio: bytes, file_name: str, media_type: str) -> str:
        seconds = self.longest_wait(len(audio))
        try:
            async with asyncio.timeout(seconds):
                body = await self._connection.transcribe(
                    self._model, (file_name, audio, media_type), self._language
                )
            text = self._read(body)
        except TimeoutError:
            failure: errors.ParleyError = SpeechTimeout(self.label, seconds=seconds)
        except Exception as error:  # nothing but ParleyErrors may leave
            failure = speech_fault(
                self._connection.worded(error),
                provider=self.label,
                model=self._model,
                language=self._language,
            )
        else:
            if text:
                return text
            failure = errors.NoSpeechDetected()
        log.info("no text for %d bytes from %s: %s", len(audio), self._name, failure.code)
        # Outside of the `except`: the original holds the request with its key.
        raise failure

    def longest_wait(self, size: int) -> float:
        """Seconds until the text of a recording of `size` bytes must have come."""
        return self._patience + size // _BYTES_A_SECOND

    async def close(self) -> None:
        await self._connection.close()

    def _read(self, body: bytes) -> str:
        """The text of an answer: JSON, or from some servers the text itself."""
        content = body.removeprefix(b"\xef\xbb\xbf").strip()
        if not body or content.startswith(b"<"):
            raise Unreadable("no transcription, but a page or nothing")
        if not content:
            return ""
        try:
            value: Any = read_json(content)
        except Unreadable:
            if content.startswith(b"{"):
                raise
            value = content.decode("utf-8", "replace")
        if isinstance(value, dict):
            if value.get("error") and not value.get("text"):
                raise self._connection.fault(read_value(None, value), model=self._model)
            value = value.get("text", value)
        if isinstance(value, int | float):  # a number was said, and written down without quotes
            value = content.decode()
        if not isinstance(value, str):
            raise Unreadable("JSON without a text")
        text = value.strip()
        return "" if text.lower() in _SILENCE else text

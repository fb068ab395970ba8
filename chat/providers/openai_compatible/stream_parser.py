"""Parser for the body of one streamed reply. Pure: no network, no clock, no SDK.

Accepts server-sent events as well as a single JSON document (from a server that ignores `stream`).
It knows the dialects: the fields that hold reasoning, the names of finish reasons and the shapes
of an error inside a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chat import errors
from chat.domain.message import Usage
from chat.observability.redaction import StreamRedactor, redact
from chat.providers.base import Delta
from chat.providers.openai_compatible.error_mapping import ErrorBody, parse_error_value
from chat.providers.openai_compatible.reasoning_tags import ThinkTagSplitter
from chat.providers.openai_compatible.sse import ParseError, SSEDecoder, parse_event, parse_json

_MAX_QUOTED_BYTES = 3000  # redacted before the first 300 characters are quoted in an error
_MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
_FINISH_REASONS = {
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
}
_FILTER_REASONS = ("content_filter", "safety", "recitation", "prohibited_content", "blocklist")
_FAILURE_REASONS = {"error", "insufficient_system_resource"}

ErrorFactory = Callable[[ErrorBody], errors.ProviderError]


class ReplyParser:
    """Incremental parser for one reply.

    `provider` is the provider's label; `to_error` creates the error for an error inside the stream.
    """

    def __init__(
        self, provider: str, to_error: ErrorFactory, secrets: tuple[str, ...] = ()
    ) -> None:
        self._provider, self._to_error, self._secrets = provider, to_error, secrets
        self._decoder = SSEDecoder()
        self._think_tags = ThinkTagSplitter()
        self._text, self._reasoning = StreamRedactor(secrets), StreamRedactor(secrets)
        self._document: bytearray | None = None  # set when the body is a JSON document
        self._head = b""
        self._has_begun = False
        self._has_events = False
        self._is_flushed = False
        self._has_words = False  # text or reasoning other than white space
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.has_content = False  # a delta with text or reasoning was returned
        self.is_done = False  # the stream has sent its end marker

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """Yield the deltas in `chunk`. May raise a `ProviderError` after some of them."""
        if not self._has_begun:
            chunk, self._head = self._head + chunk, b""
            if not self._detect_format(chunk):
                self._head = chunk
                return
        if self._document is not None:
            self._document += chunk
            if len(self._document) > _MAX_DOCUMENT_BYTES:
                raise self._malformed("a reply of more than 16 MiB")
            return
        try:
            events = self._decoder.feed(chunk)
        except ParseError as error:
            raise self._malformed(str(error)) from None
        for name, data in events:
            yield from self._event(name, data)

    def finish(self) -> Iterator[Delta]:
        """Yield the remaining deltas at the end of the body; the last has finish reason and usage.

        Raises `ContentFiltered`, `ProviderDown`, `IncompleteReply`, `EmptyReply` or
        `MalformedResponse` if the reply is not complete.
        """
        if self._document is not None:
            yield from self._parse_document(bytes(self._document))
        elif not self.is_done:
            yield from self._last_event()
        if self._head.strip() or (self._document is None and not self._has_events):
            raise self._malformed("the body holds no event: " + self._quoted(self._head))
        reason = self.finish_reason
        if reason is None:
            yield from self.flush()
            if self.is_done and not self._has_words:
                raise errors.EmptyReply(self._provider)
            raise errors.IncompleteReply(self._provider)
        if reason.startswith(_FILTER_REASONS):
            yield from self.flush()
            raise errors.ContentFiltered(self._provider, details=f"finish_reason {reason}")
        if reason in _FAILURE_REASONS:
            yield from self.flush()
            raise errors.ProviderDown(self._provider, details=f"finish_reason {reason}")
        yield from self._buffered()
        if not self._has_words:
            yield from self.flush()
            raise errors.EmptyReply(self._provider, details=f"finish_reason {reason}")
        yield Delta(finish_reason=reason, usage=self.usage)

    def flush(self) -> Iterator[Delta]:
        """Yield the buffered text and the usage, once, before an error is raised.

        Usage that was reported before the end of the reply does not cover all of it.
        """
        if not self._is_flushed:
            self._is_flushed = True
            yield from self._buffered()
            if self.usage is not None and self.finish_reason is not None:
                yield Delta(usage=self.usage)

    def _detect_format(self, chunk: bytes) -> bool:
        """Detect the format by the first byte: content types are unreliable. False: no byte yet."""
        begun = chunk.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not begun:
            return False
        if begun[:1] == b"<":
            raise self._malformed(self._quoted(begun))
        if begun[:1] in b"{[":
            self._document = bytearray()
        self._has_begun = True
        return True

    def _last_event(self) -> Iterator[Delta]:
        """Yield from a final event without its empty line; ignore an event that was cut off."""
        try:
            for name, data in self._decoder.finish():
                if data != b"[DONE]":
                    parse_event(data)
                yield from self._event(name, data)
        except ParseError:
            return

    def _event(self, name: bytes, data: bytes) -> Iterator[Delta]:
        self._has_events = True
        if data == b"[DONE]" or self.is_done:
            self.is_done = True
            return
        if not data.strip():
            return
        try:
            values = parse_event(data)
        except ParseError:
            raise self._malformed(self._quoted(data)) from None
        for value in values:
            yield from self._value(value, is_error=name == b"error")

    def _parse_document(self, content: bytes) -> Iterator[Delta]:
        try:
            value = parse_json(content)
        except ParseError:
            raise self._malformed(self._quoted(content)) from None
        if isinstance(value, dict) and not any(value.get(each) for each in ("error", "choices")):
            if value.get("object") == "error":
                raise self._to_error(parse_error_value(None, value))
            raise self._malformed(self._quoted(content))
        yield from self._value(value, is_error=False)

    def _value(self, value: Any, *, is_error: bool) -> Iterator[Delta]:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0]
        if not isinstance(value, dict):
            raise self._malformed(self._quoted(str(value).encode()))
        if is_error or value.get("error") or value.get("object") == "error":
            raise self._to_error(parse_error_value(None, value))
        if isinstance(value.get("usage"), dict):
            self.usage = _usage(value["usage"])
        choices = value.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return
        if choice.get("error"):
            raise self._to_error(parse_error_value(None, choice))
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            reasoning, text = _content(delta)
            if (reasoning or text) and not isinstance(value.get("usage"), dict):
                self.usage = None  # an earlier report does not cover this part
            tagged = ""
            if text:
                tagged, text = self._think_tags.feed(text)
            reasoning, text = self._reasoning.feed(reasoning + tagged), self._text.feed(text)
            yield from self._delta(reasoning, text)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            reason = reason.lower()
            self.finish_reason = _FINISH_REASONS.get(reason, redact(reason, self._secrets, 40))

    def _buffered(self) -> Iterator[Delta]:
        reasoning, text = self._think_tags.finish()
        reasoning = self._reasoning.feed(reasoning) + self._reasoning.finish()
        text = self._text.feed(text) + self._text.finish()
        yield from self._delta(reasoning, text)

    def _delta(self, reasoning: str, text: str) -> Iterator[Delta]:
        if reasoning or text:
            self.has_content = True
            self._has_words = self._has_words or bool(reasoning.strip() or text.strip())
            yield Delta(text=text, reasoning=reasoning)

    def _malformed(self, details: str) -> errors.MalformedResponse:
        return errors.MalformedResponse(self._provider, details=details, secrets=self._secrets)

    def _quoted(self, content: bytes) -> str:
        return redact(content[:_MAX_QUOTED_BYTES].decode("utf-8", "replace"), self._secrets, 300)


def _content(delta: dict[str, Any]) -> tuple[str, str]:
    """Return (reasoning, text) of a delta or message; a refusal counts as text.

    Mistral sends the content as a list of parts.
    """
    reasoning = delta.get("reasoning_content") or delta.get("reasoning")
    if not isinstance(reasoning, str):
        reasoning = ""
    content = delta.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        reasoning += "".join(_plain_text(part.get("thinking")) for part in parts)
        content = "".join(_plain_text(part.get("text")) for part in parts)
    elif not isinstance(content, str):
        content = ""
    refusal = delta.get("refusal")
    return reasoning, content + refusal if isinstance(refusal, str) else content


def _plain_text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(_plain_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _usage(raw: dict[str, Any]) -> Usage | None:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    counts = [raw.get(name) for name in names]
    prompt, completion, total = (n if isinstance(n, int) and n >= 0 else 0 for n in counts)
    if prompt:  # Gemini and xAI count reasoning in the total only
        completion = max(completion, total - prompt)
    return Usage(prompt, completion, is_reported=True) if prompt or completion else None

"""Parser for the body of one streamed reply. Pure: no network, no clock, no SDK.

Accepts server-sent events as well as JSON documents (from a server that ignores `stream`). Events
that are no part of a reply are skipped and counted. `reply_assembler` makes the deltas; this
module decides whether the reply is complete, and which error it ends with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chat import errors
from chat.observability.redaction import redact
from chat.providers.base import Delta
from chat.providers.openai_compatible.error_body import (
    ErrorBody,
    has_bad_base_response,
    is_error,
    parse_error_value,
)
from chat.providers.openai_compatible.finish_reasons import Finish
from chat.providers.openai_compatible.reply_assembler import ReplyAssembler
from chat.providers.openai_compatible.reply_chunk import first_choice, unwrapped
from chat.providers.openai_compatible.sse import (
    ParseError,
    SSEDecoder,
    Unreadable,
    is_done,
    parse_event,
)

_MAX_QUOTED_BYTES = 3000  # redacted before the first 300 characters are quoted in an error
_MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
_BROKEN_CHUNK = (b"choices", b"delta", b"content", b"reasoning", b"message", b"text")

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
        self._reply = ReplyAssembler(secrets)
        self._document: bytearray | None = None  # set when the body is a JSON document
        self._head = b""
        self._has_begun = self._has_events = self._has_chunks = self._is_flushed = False
        self._skipped = 0  # events that are no part of a reply
        self._lost = 0  # of them those that look like a part of the reply
        self._first_skipped = b""
        self.is_done = False  # the stream has sent its end marker

    @property
    def has_content(self) -> bool:
        """Whether a delta with text or reasoning was returned."""
        return self._reply.has_content

    @property
    def is_finish_plain(self) -> bool:
        """Whether a finish reason came alone, after all text, so that only usage may follow."""
        reply = self._reply
        is_alone = reply.is_finish_alone and not reply.is_finish_disproved
        return reply.finish is not None and is_alone and reply.has_content

    @property
    def may_end_without_marker(self) -> bool:
        """Whether silence or a broken connection now is the end of a complete reply."""
        return self._reply.finish is not None and not self._reply.is_finish_disproved

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

        Raises a `ProviderError` if the reply is not complete.
        """
        if self._document is not None:
            yield from self._parse_document(bytes(self._document))
        elif not self.is_done:
            yield from self._last_event()
        if self._head.strip() or (self._document is None and not self._has_events):
            raise self._malformed("the body holds no event: " + self._quoted(self._head))
        yield from self._buffered()
        failure = self._failure()
        if failure is not None:
            yield from self.flush()
            raise failure
        problem = self._partly_unreadable() if self._lost else None
        yield Delta(finish_reason=self._finish_reason(), usage=self._reply.usage, problem=problem)

    def flush(self) -> Iterator[Delta]:
        """Yield the buffered text and the usage, once, before an error is raised.

        Usage that was reported before the end of the reply does not cover all of it.
        """
        if not self._is_flushed:
            self._is_flushed = True
            yield from self._buffered()
            if self._reply.usage is not None and self._reply.finish is not None:
                yield Delta(usage=self._reply.usage)

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
        for name, data in self._decoder.finish():
            if any(isinstance(value, Unreadable) for value in parse_event(data)):
                self._has_events = self._has_events or is_done(name, data)
                self.is_done = self.is_done or is_done(name, data)
                continue
            yield from self._event(name, data)

    def _event(self, name: bytes, data: bytes) -> Iterator[Delta]:
        self._has_events = True
        if self.is_done or is_done(name, data):
            self.is_done = True
            return
        if not data.strip():
            return
        for value in parse_event(data):
            yield from self._value(value, is_error_event=name == b"error")

    def _parse_document(self, content: bytes) -> Iterator[Delta]:
        """Yield from a JSON document, or from several on lines of their own."""
        values = parse_event(content)
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0] if all(isinstance(each, dict) for each in values[0]) else values
        for value in values:
            yield from self._value(value, is_error_event=False)
        if not self._has_chunks:
            raise self._malformed(self._quoted(content))

    def _value(self, value: Any, *, is_error_event: bool) -> Iterator[Delta]:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0]
        if is_error_event and not isinstance(value, dict):
            value = {"error": _words(value)}
        if not isinstance(value, dict):
            self._skip(value)
            return
        value = unwrapped(value)
        choice = first_choice(value)
        if (is_error_event or value.get("error") or has_bad_base_response(value)) or (
            choice is None and is_error(value)
        ):
            raise self._to_error(parse_error_value(None, value))
        if choice is not None and choice.get("error"):
            raise self._to_error(parse_error_value(None, choice))
        if choice is None and "usage" not in value and "choices" not in value:
            self._skip(value)
            return
        self._has_chunks = True
        delta = self._reply.add(value)
        if delta is not None:
            yield delta

    def _skip(self, value: Any) -> None:
        """Count an event that is no part of a reply, such as a ping."""
        data = value.data if isinstance(value, Unreadable) else repr(value).encode()
        self._first_skipped = self._first_skipped or data
        self._skipped += 1
        is_part = isinstance(value, Unreadable) and any(each in data for each in _BROKEN_CHUNK)
        if is_part and self._reply.finish is None:
            self._lost += 1

    def _failure(self) -> errors.ProviderError | None:
        """Return the error that a body with this end is to be reported as."""
        reply, word = self._reply, self._finish_reason()
        details = f"finish_reason {word}" if word else ""
        if not self._has_chunks and self._skipped:
            return self._malformed(self._quoted(self._first_skipped))
        ends = reply.finish is not None and (reply.is_finish_last or self.is_done)
        if not ends and not (self.is_done and not reply.has_words):
            return self._error(errors.IncompleteReply)
        if reply.finish is Finish.FILTERED:
            return self._error(errors.ContentFiltered, details)
        if reply.finish is Finish.BROKEN:
            return self._error(errors.ProviderDown, details)
        if reply.has_tool_call:
            return self._error(errors.ToolCallUnsupported, details)
        if not reply.has_words:
            return self._error(errors.EmptyReply, details)
        if reply.finish is Finish.UNKNOWN:
            return self._error(errors.UnknownFinish, details, reason=word)
        return None

    def _finish_reason(self) -> str:
        """Return the finish reason to store: one spelling for each known end."""
        finish, word = self._reply.finish, self._reply.finish_word
        if finish in {Finish.STOP, Finish.LENGTH}:
            return finish.name.lower()
        return redact(word.lower(), self._secrets, 40)

    def _error(
        self, kind: type[errors.ProviderError], details: str = "", *, reason: str = ""
    ) -> errors.ProviderError:
        parts = (details, self._skipped_note())
        details = " · ".join(part for part in parts if part)
        return kind(self._provider, details=details, secrets=self._secrets, reason=reason)

    def _partly_unreadable(self) -> errors.ProviderError:
        return self._error(errors.PartlyUnreadable)

    def _skipped_note(self) -> str:
        if not self._skipped:
            return ""
        events = "1 event" if self._skipped == 1 else f"{self._skipped} events"
        return f"{events} could not be read: {self._quoted(self._first_skipped)}"

    def _buffered(self) -> Iterator[Delta]:
        delta = self._reply.flush()
        if delta is not None:
            yield delta

    def _malformed(self, details: str) -> errors.MalformedResponse:
        return errors.MalformedResponse(self._provider, details=details, secrets=self._secrets)

    def _quoted(self, content: bytes) -> str:
        return redact(content[:_MAX_QUOTED_BYTES].decode("utf-8", "replace"), self._secrets, 300)


def _words(value: Any) -> str:
    return value.data.decode("utf-8", "replace") if isinstance(value, Unreadable) else str(value)

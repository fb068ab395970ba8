"""Reads one reply from the bytes of an HTTP body: pure, no network, no clock, no SDK.

It takes server-sent events as well as one JSON document (a server that ignores `stream`), and
knows the dialects: where reasoning hides, what the reasons to finish are called, how an error
inside a stream looks. It raises the errors that the content itself is to blame for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chat import errors
from chat.domain.message import Usage
from chat.observability.redaction import StreamRedactor, redact
from chat.providers.base import Delta
from chat.providers.openai_compatible.error_mapping import Said, read_value
from chat.providers.openai_compatible.reasoning_tags import ThinkSplitter
from chat.providers.openai_compatible.sse import EventSplitter, Unreadable, read_events, read_json

_SHOWN = 3000  # bytes that are looked at to show the first 300 without a key
_LARGEST_DOCUMENT = 16 * 1024 * 1024
_FINISHES = {
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
}
_FILTERED = ("content_filter", "safety", "recitation", "prohibited_content", "blocklist")
_BROKEN = {"error", "insufficient_system_resource"}

FaultOf = Callable[[Said], errors.ProviderError]


class ReplyReader:
    """Fed with bytes as they come. `provider` is its label, `fault` words errors in the stream."""

    def __init__(self, provider: str, fault: FaultOf, secrets: tuple[str, ...] = ()) -> None:
        self._provider, self._fault, self._secrets = provider, fault, secrets
        self._events = EventSplitter()
        self._thinking = ThinkSplitter()
        self._text, self._reasoning = StreamRedactor(secrets), StreamRedactor(secrets)
        self._document: bytearray | None = None  # a JSON document instead of a stream of events
        self._head = b""
        self._has_begun = False
        self._has_events = False
        self._is_flushed = False
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.has_content = False  # a delta with text or reasoning was given out
        self._has_words = False  # not only white space
        self.is_done = False  # the stream said that nothing more comes

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """The deltas in `chunk`; may raise a `ProviderError` after some of them."""
        if not self._has_begun:
            chunk, self._head = self._head + chunk, b""
            if not self._look_at(chunk):
                self._head = chunk
                return
        if self._document is not None:
            self._document += chunk
            if len(self._document) > _LARGEST_DOCUMENT:
                raise self._malformed("a reply of more than 16 MiB")
            return
        try:
            events = self._events.feed(chunk)
        except Unreadable as error:
            raise self._malformed(str(error)) from None
        for name, data in events:
            yield from self._event(name, data)

    def finish(self) -> Iterator[Delta]:
        """What is left when the body has ended; the last delta carries reason and usage.

        Raises `ContentFiltered`, `IncompleteReply`, `EmptyReply` or `MalformedResponse` where the
        reply is not a whole one.
        """
        if self._document is not None:
            yield from self._read_document(bytes(self._document))
        elif not self.is_done:
            yield from self._last_event()
        if self._head.strip() or (self._document is None and not self._has_events):
            raise self._malformed("the body holds no event: " + self._shown(self._head))
        reason = self.finish_reason
        if reason is None:
            yield from self.flush()
            if self.is_done and not self._has_words:
                raise errors.EmptyReply(self._provider)
            raise errors.IncompleteReply(self._provider)
        if reason.startswith(_FILTERED):
            yield from self.flush()
            raise errors.ContentFiltered(self._provider, details=f"finish_reason {reason}")
        if reason in _BROKEN:
            yield from self.flush()
            raise errors.ProviderDown(self._provider, details=f"finish_reason {reason}")
        yield from self._held()
        if not self._has_words:
            yield from self.flush()
            raise errors.EmptyReply(self._provider, details=f"finish_reason {reason}")
        yield Delta(finish_reason=reason, usage=self.usage)

    def flush(self) -> Iterator[Delta]:
        """What was held back, and the usage: to be given out before an error, once."""
        if not self._is_flushed:
            self._is_flushed = True
            yield from self._held()
            if self.usage is not None:
                yield Delta(usage=self.usage)

    def _look_at(self, chunk: bytes) -> bool:
        """Settles by the first byte what the body is, whatever its content type says."""
        begun = chunk.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not begun:
            return False
        if begun[:1] == b"<":
            raise self._malformed(self._shown(begun))
        if begun[:1] in b"{[":
            self._document = bytearray()
        self._has_begun = True
        return True

    def _last_event(self) -> Iterator[Delta]:
        """An event that lacks its empty line; half an event is only a sign of a cut."""
        try:
            for name, data in self._events.finish():
                if data != b"[DONE]":
                    read_events(data)
                yield from self._event(name, data)
        except Unreadable:
            return

    def _event(self, name: bytes, data: bytes) -> Iterator[Delta]:
        self._has_events = True
        if data == b"[DONE]" or self.is_done:
            self.is_done = True
            return
        if not data.strip():
            return
        try:
            values = read_events(data)
        except Unreadable:
            raise self._malformed(self._shown(data)) from None
        for value in values:
            yield from self._value(value, is_error=name == b"error")

    def _read_document(self, content: bytes) -> Iterator[Delta]:
        try:
            value = read_json(content)
        except Unreadable:
            raise self._malformed(self._shown(content)) from None
        if isinstance(value, dict) and not any(value.get(each) for each in ("error", "choices")):
            if value.get("object") == "error":
                raise self._fault(read_value(None, value))
            raise self._malformed(self._shown(content))
        yield from self._value(value, is_error=False)

    def _value(self, value: Any, *, is_error: bool) -> Iterator[Delta]:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0]
        if not isinstance(value, dict):
            raise self._malformed(self._shown(str(value).encode()))
        if is_error or value.get("error") or value.get("object") == "error":
            raise self._fault(read_value(None, value))
        if isinstance(value.get("usage"), dict):
            self.usage = _usage(value["usage"])
        choices = value.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return
        if choice.get("error"):
            raise self._fault(read_value(None, choice))
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            reasoning, text = _parts(delta)
            thought = ""
            if text:
                thought, text = self._thinking.feed(text)
            reasoning, text = self._reasoning.feed(reasoning + thought), self._text.feed(text)
            yield from self._given_out(reasoning, text)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            reason = reason.lower()
            self.finish_reason = _FINISHES.get(reason, redact(reason, self._secrets, 40))

    def _held(self) -> Iterator[Delta]:
        reasoning, text = self._thinking.finish()
        reasoning = self._reasoning.feed(reasoning) + self._reasoning.finish()
        text = self._text.feed(text) + self._text.finish()
        yield from self._given_out(reasoning, text)

    def _given_out(self, reasoning: str, text: str) -> Iterator[Delta]:
        if reasoning or text:
            self.has_content = True
            self._has_words = self._has_words or bool(reasoning.strip() or text.strip())
            yield Delta(text=text, reasoning=reasoning)

    def _malformed(self, details: str) -> errors.MalformedResponse:
        return errors.MalformedResponse(self._provider, details=details, secrets=self._secrets)

    def _shown(self, content: bytes) -> str:
        return redact(content[:_SHOWN].decode("utf-8", "replace"), self._secrets, 300)


def _parts(delta: dict[str, Any]) -> tuple[str, str]:
    """(reasoning, text) of one delta or message. A refusal is text; lists are Mistral's."""
    reasoning = delta.get("reasoning_content") or delta.get("reasoning")
    if not isinstance(reasoning, str):
        reasoning = ""
    content = delta.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        reasoning += "".join(_plain(part.get("thinking")) for part in parts)
        content = "".join(_plain(part.get("text")) for part in parts)
    elif not isinstance(content, str):
        content = ""
    refusal = delta.get("refusal")
    return reasoning, content + refusal if isinstance(refusal, str) else content


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "".join(_plain(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _usage(told: dict[str, Any]) -> Usage | None:
    counts = [told.get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (n if isinstance(n, int) and n >= 0 else 0 for n in counts)
    return Usage(prompt, completion, is_reported=True) if prompt or completion else None

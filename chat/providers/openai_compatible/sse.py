"""Tolerant reader for server-sent events and the JSON in them. Knows no provider, no network.

Written for speed: each token arrives as an event, at thousands of events per second. Everything
that only faulty servers send is handled after the standard forms did not match.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

_MAX_EVENT_BYTES = 2 * 1024 * 1024
_MAX_VALUES = 20_000  # of one event, or of a document with lines of JSON
_MAX_DONE_BYTES = 40
_DONE_NAMES = {b"done", b"end", b"message_stop"}
_LENIENT = json.JSONDecoder(strict=False)  # accepts raw control characters in strings
_SPACES = re.compile(r"[\s\x00\ufeff]*")
_IGNORED_FIELDS = (b":", b"id:", b"retry:")


class ParseError(ValueError):
    """The data is not JSON, or an event exceeds the size limit."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of an event that is not JSON."""

    data: bytes


class SSEDecoder:
    """Incremental decoder from bytes to (event name, data) pairs; chunks may be cut anywhere.

    Comments (`: keep-alive`) produce no event. `data` lines without an empty line between them are
    joined by a line feed, as the specification requires; `parse_event` separates them for servers
    that omit the empty line. Outside of the specification, a field `error:` is an event of that
    name, a bare line of JSON is an event, and the rest of a line that a raw line break has cut is
    joined to its beginning.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._name = b""
        self._data: list[bytes] = []
        self._is_first = True

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Return the events that `chunk` completes. Raises `ParseError` for an oversized event."""
        if self._is_first and chunk:
            self._is_first = False
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        data = self._rest + chunk if self._rest else chunk
        if len(data) > _MAX_EVENT_BYTES:
            raise ParseError("an event of more than 2 MiB")
        # A trailing carriage return may be the first half of a line break: wait for the next chunk.
        lines = data.splitlines(keepends=True)
        last = lines[-1] if lines else b""
        self._rest = b"" if last.endswith(b"\n") or not lines else lines.pop()
        events: list[tuple[bytes, bytes]] = []
        for line in lines:
            line = line.rstrip(b"\r\n")
            if not line:
                self._end_event(events)
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif not line.startswith(_IGNORED_FIELDS):
                self._unknown_line(line, events)
        return events

    def finish(self) -> list[tuple[bytes, bytes]]:
        """Return the last event if the stream ended without an empty line after it."""
        return self.feed(b"\n\n")

    def _end_event(self, events: list[tuple[bytes, bytes]]) -> None:
        if self._data:
            events.append((self._name, b"\n".join(self._data)))
            self._data = []
        self._name = b""

    def _unknown_line(self, line: bytes, events: list[tuple[bytes, bytes]]) -> None:
        if line.startswith(b"error:"):
            self._end_event(events)
            events.append((b"error", line[6:].strip()))
        elif self._data and self._data[0][:1] == b"{" and self._data[-1][-1:] != b"}":
            self._data.append(line)
        elif line.lstrip()[:1] in (b"{", b"["):
            self._end_event(events)
            events.append((b"", line.strip()))


def is_done(name: bytes, data: bytes) -> bool:
    """Return whether an event marks the end of the stream, in any spelling of `[DONE]`."""
    if len(data) > _MAX_DONE_BYTES:
        return False
    return name in _DONE_NAMES or data.strip(b" \t\r\n\0\"'").upper() == b"[DONE]"


def parse_event(data: bytes) -> list[Any]:
    """Return the JSON values in the data of one event, and an `Unreadable` for each other part.

    Half a character at the end of a string is kept as a lone surrogate: the other half may be the
    beginning of the next event (see `text_joiner`).
    """
    try:
        return [orjson.loads(data)]
    except orjson.JSONDecodeError:
        whole = list(islice(_values(data), _MAX_VALUES))
    lines = data.split(b"\n", _MAX_VALUES)
    if len(lines) == 1 or not any(isinstance(each, Unreadable) for each in whole):
        return whole
    return [
        value
        for line in lines
        if line.strip() and not is_done(b"", line)
        for value in _values(line)
    ]


def parse_json(data: bytes) -> Any:
    """Return the JSON value in `data`. Raises `ParseError`.

    Falls back to the standard library for input that orjson rejects and servers do send: NaN, raw
    control characters, bytes that are not UTF-8, and half an emoji (`"\\ud83d"`). The last two
    become replacement characters.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        values = list(islice(_values(data), 2))
    if len(values) != 1 or isinstance(values[0], Unreadable):
        raise ParseError("not JSON")
    try:
        return without_lone_surrogates(values[0])
    except RecursionError:
        raise ParseError("not JSON") from None


def without_lone_surrogates(value: Any) -> Any:
    """Return a JSON value with a replacement character for each half of a surrogate pair."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: without_lone_surrogates(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_lone_surrogates(each) for each in value]
    return value


def _values(data: bytes) -> Iterator[Any]:
    """Yield the JSON values that follow each other in `data`, then what is not JSON."""
    text = data.decode("utf-8", "surrogateescape")
    position = _start(text, 0)
    if text.startswith("data:", position):  # the field's name twice, from a gateway
        position = _start(text, position + 5)
    while position < len(text):
        try:
            value, end = _LENIENT.raw_decode(text, position)
        except (ValueError, RecursionError):
            yield Unreadable(text[position:].encode("utf-8", "surrogateescape"))
            return
        end = _start(text, end)
        if end < len(text) and not isinstance(value, dict | list):
            yield Unreadable(data)
            return
        yield value
        position = end


def _start(text: str, position: int) -> int:
    match = _SPACES.match(text, position)
    return match.end() if match else position

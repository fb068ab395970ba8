"""Decoder for server-sent events and the JSON inside them. Knows no provider and no network.

Written for speed: each token arrives as an event, at thousands of events per second.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

_MAX_EVENT_BYTES = 2 * 1024 * 1024


class ParseError(ValueError):
    """The data is not JSON, or an event exceeds the size limit."""


class SSEDecoder:
    """Incremental decoder from bytes to (event name, data) pairs; chunks may be cut anywhere.

    Comments (`: keep-alive`) produce no event. `data` lines without an empty line between them are
    joined by a line feed, as the specification requires; `parse_event` separates them for servers
    that omit the empty line.
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
                if self._data:
                    events.append((self._name, b"\n".join(self._data)))
                    self._data = []
                self._name = b""
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
        return events

    def finish(self) -> list[tuple[bytes, bytes]]:
        """Return the last event if the stream ended without an empty line after it."""
        return self.feed(b"\n\n")


def parse_event(data: bytes) -> list[Any]:
    """Return the JSON values in the data of one event. Raises `ParseError`."""
    try:
        return [parse_json(data)]
    except ParseError:
        lines = data.split(b"\n")
        if len(lines) == 1:
            raise
        return [parse_json(line) for line in lines if line != b"[DONE]"]


def parse_json(data: bytes) -> Any:
    """Return the JSON value in `data`. Raises `ParseError`.

    Falls back to the standard library for input that orjson rejects and servers do send, such as
    NaN and half an emoji (`"\\ud83d"`), which becomes a replacement character.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return _without_lone_surrogates(json.loads(data))
        except (ValueError, RecursionError):
            raise ParseError("not JSON") from None


def _without_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: _without_lone_surrogates(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_lone_surrogates(each) for each in value]
    return value

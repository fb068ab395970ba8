"""Server-sent events from raw bytes, and the JSON inside them. Knows no provider and no network.

Written for speed: a token is one small event, and thousands of them pass through here a second.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

_LARGEST_EVENT = 2 * 1024 * 1024


class Unreadable(ValueError):
    """What came is not JSON, or an event without an end."""


class EventSplitter:
    """Cuts a byte stream, however it is chunked, into (event name, data) pairs.

    Comments (`: keep-alive`) make no event. Data lines that a careless server did not part by an
    empty line are joined by a line feed, as the standard says; `read_events` takes them apart.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._name = b""
        self._data: list[bytes] = []
        self._is_first = True

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """The events completed by `chunk`."""
        if self._is_first and chunk:
            self._is_first = False
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        data = self._rest + chunk if self._rest else chunk
        if len(data) > _LARGEST_EVENT:
            raise Unreadable("an event of more than 2 MiB")
        # A carriage return at the very end may be half of a line end: it waits for the next chunk.
        lines = data.splitlines(keepends=True)
        last = lines[-1] if lines else b""
        self._rest = b"" if last.endswith(b"\n") or not lines else lines.pop()
        found: list[tuple[bytes, bytes]] = []
        for line in lines:
            line = line.rstrip(b"\r\n")
            if not line:
                if self._data:
                    found.append((self._name, b"\n".join(self._data)))
                    self._data = []
                self._name = b""
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
        return found

    def finish(self) -> list[tuple[bytes, bytes]]:
        """The event that the end of the stream left without its empty line, if there is one."""
        return self.feed(b"\n\n")


def read_events(data: bytes) -> list[Any]:
    """The JSON values of one event's data. Raises `Unreadable`."""
    try:
        return [read_json(data)]
    except Unreadable:
        lines = data.split(b"\n")
        if len(lines) == 1:
            raise
        return [read_json(line) for line in lines if line != b"[DONE]"]


def read_json(data: bytes) -> Any:
    """One JSON value. Raises `Unreadable`.

    The standard library's reader is the second try: it takes what orjson refuses and servers do
    send, such as NaN and half an emoji (`"\\ud83d"`), which becomes a replacement character.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            raise Unreadable("not JSON") from None
        return _without_lone_surrogates(value)


def _without_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: _without_lone_surrogates(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_lone_surrogates(each) for each in value]
    return value

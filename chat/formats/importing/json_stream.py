"""Stream the values of a JSON document of any length in bounded memory.

Values that are too large, too deep or contain too many values are skipped.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ijson  # type: ignore[import-untyped]

MAX_BYTES_WITHOUT_VALUE = 64 * 2**20  # a longer stretch is one endless string or whitespace


class InvalidJson(Exception):
    """The rest of the document cannot be parsed. The message is a sentence for the user."""


class TruncatedJson(InvalidJson):
    """The document is valid up to its end, but incomplete."""


@dataclass(frozen=True, slots=True)
class JsonLimits:
    size: int = 64 * 2**20  # bytes of one value, rounded up to a chunk
    values: int = 2_000_000  # within one value; small values take much memory for their text
    depth: int = 100


@dataclass(frozen=True, slots=True)
class OversizedValue:
    """Placeholder for a value above the limits. `partial` holds the part that was read."""

    partial: Any


@dataclass(frozen=True, slots=True)
class NullValue:
    """Placeholder for null, because None is yielded as a progress signal."""


class _ValueBuilder:
    """Builder of values from parser events, without recursion."""

    def __init__(self, limits: JsonLimits) -> None:
        self._limits = limits
        self._reset()

    def _reset(self) -> None:
        self._stack: list[Any] = []
        self._keys: list[str] = []
        self._root: Any = None
        self._count = self.depth = self.size = 0
        self._is_oversized = False

    def add(self, event: str, value: Any) -> Any:
        """Return the finished value or `OversizedValue` with its last event, else `Ellipsis`."""
        if event == "map_key":
            if not self._is_oversized:
                self._keys[-1] = value
            return ...
        if event in ("end_map", "end_array"):
            self.depth -= 1
            if not self._is_oversized:
                self._stack.pop()
                self._keys.pop()
        else:
            self._begin(event, value)
        if self.depth:
            return ...
        result = OversizedValue(self._root) if self._is_oversized else self._root
        self._reset()
        return result

    def _begin(self, event: str, value: Any) -> None:
        self._count += 1
        if self._count > self._limits.values or self.size > self._limits.size:
            self._is_oversized = True
        new = {} if event == "start_map" else [] if event == "start_array" else value
        if not self._is_oversized:
            self._insert(new)
        if event in ("start_map", "start_array"):
            self.depth += 1
            if self.depth > self._limits.depth:
                self._is_oversized = True
            if not self._is_oversized:
                self._stack.append(new)
                self._keys.append("")

    def _insert(self, new: Any) -> None:
        if not self._stack:
            self._root = new
        elif isinstance(self._stack[-1], list):
            self._stack[-1].append(new)
        else:
            self._stack[-1][self._keys[-1]] = new


def iter_values(chunks: Iterable[bytes], limits: JsonLimits, *, is_list: bool) -> Iterator[Any]:
    """Yield the document, or with `is_list` each item of the list in it.

    Yields None after each chunk, so that the caller can check for a cancellation. A null is
    yielded as `NullValue`. Raises `InvalidJson`.
    """
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, use_float=True)
    builder, silent_bytes, is_open = _ValueBuilder(limits), 0, not is_list
    for chunk in _valid_utf8(chunks):
        try:
            parser.send(chunk) if chunk else parser.close()
        except (ijson.JSONError, ValueError, OverflowError, RecursionError) as error:
            yield from _finished(events, builder, is_open)
            raise _invalid_json(error) from None
        silent_bytes = 0 if events else silent_bytes + len(chunk)
        builder.size += len(chunk)
        if silent_bytes > MAX_BYTES_WITHOUT_VALUE:
            raise InvalidJson("It holds a text of more than 64 MB, which cannot be read.")
        yield from _finished(events, builder, is_open)
        is_open = is_open or bool(events)
        del events[:]
        yield None


def _finished(
    events: list[tuple[str, Any]], builder: _ValueBuilder, is_open: bool
) -> Iterator[Any]:
    """Yield the values that the events complete, without the brackets of an enclosing list."""
    for index, (event, value) in enumerate(events):
        if index == 0 and not is_open:
            if event != "start_array":
                raise InvalidJson("It is not a list of conversations.")
            continue
        if event == "end_array" and not builder.depth:
            return
        result = builder.add(event, value)
        if result is not ...:
            yield NullValue() if result is None else result


def _valid_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks with invalid UTF-8 replaced, followed by an empty chunk."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    for chunk in chunks:
        if text := decoder.decode(chunk):
            yield text.encode()
    if text := decoder.decode(b"", final=True):
        yield text.encode()
    yield b""


def _invalid_json(error: Exception) -> InvalidJson:
    if "premature" in str(error) or "ncomplete" in str(error):
        return TruncatedJson("It is incomplete: it ends in the middle.")
    return InvalidJson("It is damaged: it contains invalid JSON.")

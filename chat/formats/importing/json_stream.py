"""Reads a JSON document of any length, one value at a time, in bounded memory.

A value that is too large, too deep or too finely divided is passed over, and the rest goes on. It
knows nothing of what the values mean.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ijson  # type: ignore[import-untyped]

LONGEST_SILENCE = 64 * 2**20  # bytes without a new value: one endless text, or nothing but spaces


class Broken(Exception):
    """The document cannot be read any further; its text is the sentence that says why."""


class CutOff(Broken):
    """The document is sound as far as it goes, and ends too early."""


@dataclass(frozen=True, slots=True)
class Bounds:
    size: int = 64 * 2**20  # bytes of one value, to within a chunk
    values: int = 2_000_000  # within one value: each takes far more memory than it has letters
    depth: int = 100


@dataclass(frozen=True, slots=True)
class TooLarge:
    """What stands for a value that was passed over; `beginning` holds what was read of it."""

    beginning: Any


@dataclass(frozen=True, slots=True)
class Null:
    """What stands for a value that is null."""


class _Builder:
    """Makes values of events, without recursion."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._begin()

    def _begin(self) -> None:
        self._stack: list[Any] = []
        self._keys: list[str] = []
        self._root: Any = None
        self._count = self.depth = self.size = 0
        self.is_over = False

    def take(self, event: str, value: Any) -> Any:
        """The finished value (or `TooLarge`) with its last event, else `Ellipsis`."""
        if event == "map_key":
            if not self.is_over:
                self._keys[-1] = value
            return ...
        if event in ("end_map", "end_array"):
            self.depth -= 1
            if not self.is_over:
                self._stack.pop()
                self._keys.pop()
        else:
            self._count += 1
            if self._count > self._bounds.values or self.size > self._bounds.size:
                self.is_over = True
            made = {} if event == "start_map" else [] if event == "start_array" else value
            if not self.is_over:
                self._place(made)
            if event in ("start_map", "start_array"):
                self.depth += 1
                if self.depth > self._bounds.depth:
                    self.is_over = True
                if not self.is_over:
                    self._stack.append(made)
                    self._keys.append("")
        if self.depth:
            return ...
        done = TooLarge(self._root) if self.is_over else self._root
        self._begin()
        return done

    def _place(self, made: Any) -> None:
        if not self._stack:
            self._root = made
        elif isinstance(self._stack[-1], list):
            self._stack[-1].append(made)
        else:
            self._stack[-1][self._keys[-1]] = made


def values(chunks: Iterable[bytes], bounds: Bounds, *, is_list: bool) -> Iterator[Any]:
    """The document itself, or with `is_list` each value of the list that it is.

    Yields None after each chunk that ended no value, so that whoever reads can look up; a value
    that is null comes as `Null`. Raises `Broken`.
    """
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, use_float=True)
    builder, silence, is_open = _Builder(bounds), 0, not is_list
    for chunk in _decoded(chunks):
        try:
            parser.send(chunk) if chunk else parser.close()
        except (ijson.JSONError, ValueError, OverflowError, RecursionError) as error:
            yield from _finished(events, builder, is_open)
            raise _broken(error) from None
        silence = 0 if events else silence + len(chunk)
        builder.size += len(chunk)
        if silence > LONGEST_SILENCE:
            raise Broken("It holds a piece of more than 64 MB that cannot be taken apart.")
        yield from _finished(events, builder, is_open)
        is_open = is_open or bool(events)
        del events[:]
        yield None


def _finished(events: list[tuple[str, Any]], builder: _Builder, is_open: bool) -> Iterator[Any]:
    """What the events complete; the first and the last one of a list are its own."""
    for number, (event, value) in enumerate(events):
        if number == 0 and not is_open:
            if event != "start_array":
                raise Broken("It is no list of conversations.")
            continue
        if event == "end_array" and not builder.depth:
            return
        done = builder.take(event, value)
        if done is not ...:
            yield Null() if done is None else done


def _decoded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks as sound UTF-8, damaged letters replaced; an empty one at the end."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    for chunk in chunks:
        if text := decoder.decode(chunk):
            yield text.encode()
    if text := decoder.decode(b"", final=True):
        yield text.encode()
    yield b""


def _broken(error: Exception) -> Broken:
    if "premature" in str(error) or "ncomplete" in str(error):
        return CutOff("It ends in the middle, as if only a part of it had been saved.")
    return Broken("It is damaged: from some place on it is no JSON any more.")

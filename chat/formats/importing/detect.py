"""Recognises what a file is, and gives the conversations in it one after the other.

A file may be one of our exports (JSON or zip), ChatGPT's export (its zip, or a conversations.json
out of it), or JSONL with a conversation a line. Whatever is wrong with it comes out as `Refused`,
never as an error.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any, BinaryIO, cast

from chat.domain.title import title_from
from chat.formats import validation
from chat.formats.chatgpt.conversation import from_chatgpt, is_chatgpt
from chat.formats.conversation import PortableConversation, Unreadable
from chat.formats.importing import json_stream
from chat.formats.importing.json_lines import CHUNK, has_conversations, is_sound, pieces
from chat.formats.importing.json_stream import Bounds, Broken, Null, TooLarge
from chat.formats.jsonl import from_jsonl, is_jsonl
from chat.formats.parley.archive import DAMAGES, Archive, open_archive
from chat.formats.parley.conversation_json import from_json, is_own

MOST_CONVERSATIONS = 100_000
# A conversation of our own on its own brings its files along, in one text each.
ALONE = Bounds(size=256 * 2**20)
_SPACE = b" \t\r\n"
_NO_EXPORT = (
    "It is no export that can be read here: choose an export of Parley, the zip or the "
    "conversations.json of ChatGPT's data export, or JSONL with a conversation a line."
)
_DAMAGED = "It is damaged here, and cannot be read any further."
_TOO_LARGE = "It is too large or too finely divided to be imported."
_KINDS = {Null: "empty (null)", list: "a list", str: "a text", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Refused:
    """A conversation, or all of the file, that cannot be taken in."""

    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be told about the file as a whole."""

    sentence: str


# None means: nothing yet, look up if you want to stop.
Item = PortableConversation | Refused | Note | None


class _Meter:
    """Tells how many bytes have been read of all there are."""

    def __init__(self, on_progress: Callable[[int, int], None]) -> None:
        self._on_progress = on_progress
        self.total = self._done = self._most = 0

    def add(self, size: int) -> None:
        self._done = min(self._done + size, self.total)
        self._most = max(self._most, self._done)
        self._on_progress(self._most, self.total)

    def begin_again(self) -> None:
        """Reading begins again at the start; what is told does not go back."""
        self._done = 0


@dataclass(frozen=True, slots=True)
class _Source:
    """One stream to read conversations from; `name` is what people know it by."""

    file: IO[bytes]
    name: str
    now: datetime
    bounds: Bounds
    meter: _Meter

    def chunks(self) -> Iterator[bytes]:
        return self._read(lambda: self.file.read(CHUNK))

    def lines(self, longest: int) -> Iterator[bytes]:
        """The lines; of one that is too long, pieces."""
        return self._read(lambda: self.file.readline(longest + CHUNK))

    def _read(self, more: Callable[[], bytes]) -> Iterator[bytes]:
        while True:
            try:
                data = more()
            except DAMAGES:
                raise Broken(_DAMAGED) from None
            if not data:
                return
            self.meter.add(len(data))
            yield data


def read(
    file: BinaryIO,
    name: str,
    now: datetime,
    on_progress: Callable[[int, int], None],
    bounds: Bounds | None = None,
) -> Iterator[Item]:
    """What is in a seekable file. `name` is for people; the content alone tells what it is."""
    meter = _Meter(on_progress)
    count = 0
    try:
        for item in _read(_Source(file, name, now, bounds or Bounds(), meter)):
            yield item
            count += item is not None
            if count >= MOST_CONVERSATIONS:
                yield Refused(name, "It holds more than 100,000 conversations; the rest was left.")
                return
    except (Unreadable, Broken) as error:
        yield Refused(name, str(error))
    meter.add(meter.total)


def _read(source: _Source) -> Iterator[Item]:
    file = source.file
    source.meter.total = file.seek(0, 2)
    file.seek(0)
    head = file.read(CHUNK)
    file.seek(0)
    start = head.removeprefix(codecs.BOM_UTF8).lstrip(_SPACE)[:1]
    if not head:
        yield Refused(source.name, "The file is empty.")
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _from_archive(open_archive(cast(BinaryIO, file)), source)
    elif start == b"{":
        yield from _from_object(source)
    elif not (start == b"[" and is_sound(head)) and _has_lines(source):
        yield from _from_lines(source)
    elif start == b"[":
        file.seek(0)
        yield from _from_list(source)
    else:
        yield Refused(source.name, _NO_EXPORT)


def _from_archive(archive: Archive, source: _Source) -> Iterator[Item]:
    yield from map(Note, archive.notes)
    source.meter.total = archive.size
    if not archive.names:
        yield Refused(source.name, _NO_EXPORT)
    for name in archive.names:
        try:
            file = archive.open(name)
        except DAMAGES:
            yield Refused(name, _DAMAGED)
            continue
        with file:
            entry = replace(source, file=file, name=name)
            if archive.is_own:
                for item in _one(entry, entry.chunks()):
                    yield _with_contents(item, archive)
            else:
                yield from _from_list(entry)


def _with_contents(item: Item, archive: Archive) -> Item:
    return (
        replace(item, content=archive.content) if isinstance(item, PortableConversation) else item
    )


def _from_list(source: _Source) -> Iterator[Item]:
    is_empty = True
    try:
        for value in json_stream.values(source.chunks(), source.bounds, is_list=True):
            is_empty = is_empty and value is None
            yield value if value is None else _convert(value, source)
    except Broken as error:
        yield Refused(source.name, str(error))
    else:
        if is_empty:
            yield Refused(source.name, "It holds no conversations.")


def _from_object(source: _Source) -> Iterator[Item]:
    """One conversation, however it is laid out, or one on each line."""
    found = []
    try:
        for value in json_stream.values(source.chunks(), ALONE, is_list=False):
            found += [] if value is None else [value]
            yield None
    except Broken as error:
        if _has_lines(source):
            yield from _from_lines(source)
            return
        yield from (_convert(value, source) for value in found)
        yield Refused(source.name, str(error))
    else:
        yield from (_convert(value, source) for value in found)


def _from_lines(source: _Source) -> Iterator[Item]:
    source.file.seek(0)
    source.meter.begin_again()
    longest, number, is_begun = source.bounds.size, 0, False
    for line in source.lines(longest):
        is_rest, is_begun = is_begun, not line.endswith(b"\n")
        if is_rest:
            yield None
            continue
        number += 1
        name = f"{source.name}, line {number:,}"
        if is_begun and len(line) == longest + CHUNK:
            yield Refused(name, _TOO_LARGE)
        elif line.strip():
            yield from _one(replace(source, name=name), pieces(line))


def _has_lines(source: _Source) -> bool:
    source.file.seek(0)
    quiet = replace(source, meter=_Meter(lambda done, total: None))
    return has_conversations(quiet.lines(source.bounds.size), source.bounds)


def _one(source: _Source, chunks: Iterable[bytes]) -> Iterator[Item]:
    try:
        for value in json_stream.values(chunks, source.bounds, is_list=False):
            yield value if value is None else _convert(value, source)
    except Broken as error:
        yield Refused(source.name, str(error))


def _convert(value: Any, source: _Source) -> Item:
    """The conversation that a value is, in whichever form."""
    if isinstance(value, TooLarge):
        return Refused(_title(value.beginning, source), _TOO_LARGE)
    if not isinstance(value, dict):
        kind = _KINDS.get(type(value), "a number")
        return Refused(source.name, f"It is {kind}, no conversation.")
    try:
        if is_own(value):
            return from_json(value, source.now)
        if is_chatgpt(value):
            return from_chatgpt(value, source.now)
        if is_jsonl(value):
            return from_jsonl(value, source.now)
    except Unreadable as error:
        return Refused(_title(value, source), str(error))
    return Refused(_title(value, source), _NO_EXPORT)


def _title(value: Any, source: _Source) -> str:
    title = validation.text(validation.mapping(value).get("title"))
    return title_from(title) if title.strip() else source.name

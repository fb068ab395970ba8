"""Detect the format of an import file and stream the conversations in it.

Supported are Parley's exports (JSON and zip), ChatGPT's export (the zip, or a conversations.json
from it) and JSONL with a conversation per line. Errors are yielded as `RejectedItem`, not raised.
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
from chat.formats.conversation import PortableConversation, UnreadableConversation
from chat.formats.importing import json_stream
from chat.formats.importing.json_lines import (
    CHUNK_BYTES,
    chunks,
    is_document_start,
    is_json_lines,
)
from chat.formats.importing.json_stream import (
    InvalidJson,
    JsonLimits,
    NullValue,
    OversizedValue,
)
from chat.formats.jsonl import from_jsonl, is_jsonl
from chat.formats.parley.archive import READ_ERRORS, Archive, open_archive
from chat.formats.parley.conversation_json import from_json, is_parley

MAX_CONVERSATIONS = 100_000
# A single exported conversation contains its attachments, each as one Base64 string.
SINGLE_CONVERSATION_LIMITS = JsonLimits(size=256 * 2**20)
MAX_CONTENT_BYTES = 256 * 2**20  # of one attachment
# Each message is stored in one transaction, and the words of a longer one take too long to index.
MAX_TEXT_CHARACTERS = 1_000_000
_WHITESPACE = b" \t\r\n"
_UNKNOWN_FORMAT = (
    "This file format is not supported. Choose an export of Parley, the zip or the "
    "conversations.json of ChatGPT's data export, or JSONL with a conversation per line."
)
_DAMAGED = "The rest of the file is damaged and cannot be read."
_TOO_LARGE = "It is too large or has too many parts to be imported."
_TEXT_TOO_LONG = "It holds a text of more than 1,000,000 characters, which cannot be imported."
_TYPE_NAMES = {NullValue: "empty (null)", list: "a list", str: "a text", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """A conversation, or the file, that cannot be imported."""

    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class FileNote:
    """A sentence for the user about the file as a whole."""

    sentence: str


# None has no content. It is yielded regularly so that the caller can check for a cancellation.
Item = PortableConversation | RejectedItem | FileNote | None


class _Progress:
    """Progress in bytes, reported to a callback."""

    def __init__(self, on_progress: Callable[[int, int], None]) -> None:
        self._on_progress = on_progress
        self.total = self._done = self._reported = 0

    def add(self, size: int) -> None:
        self._done = min(self._done + size, self.total)
        self._reported = max(self._reported, self._done)
        self._on_progress(self._reported, self.total)

    def restart(self) -> None:
        """Start again at the beginning of the file. Reported progress never decreases."""
        self._done = 0


@dataclass(frozen=True, slots=True)
class _Source:
    """A stream of conversations. `name` is its display name."""

    file: IO[bytes]
    name: str
    now: datetime
    limits: JsonLimits
    progress: _Progress
    max_content_bytes: int

    def chunks(self) -> Iterator[bytes]:
        return self._read(lambda: self.file.read(CHUNK_BYTES))

    def lines(self, max_length: int) -> Iterator[bytes]:
        """Yield the lines, in parts if they are longer than `max_length` and a chunk."""
        return self._read(lambda: self.file.readline(max_length + CHUNK_BYTES))

    def _read(self, read_next: Callable[[], bytes]) -> Iterator[bytes]:
        while True:
            try:
                data = read_next()
            except READ_ERRORS:
                raise InvalidJson(_DAMAGED) from None
            if not data:
                return
            self.progress.add(len(data))
            yield data


def read_conversations(
    file: BinaryIO,
    name: str,
    now: datetime,
    on_progress: Callable[[int, int], None],
    limits: JsonLimits | None = None,
    max_content_bytes: int = MAX_CONTENT_BYTES,
) -> Iterator[Item]:
    """Yield the conversations of a seekable file.

    The format is detected by content; `name` is only displayed. Larger attachments than
    `max_content_bytes` are not read from an archive.
    """
    progress = _Progress(on_progress)
    source = _Source(file, name, now, limits or JsonLimits(), progress, max_content_bytes)
    count = 0
    try:
        for item in _read(source):
            yield item
            count += item is not None
            if count >= MAX_CONVERSATIONS:
                yield RejectedItem(name, "Only the first 100,000 conversations were imported.")
                return
    except (UnreadableConversation, InvalidJson) as error:
        yield RejectedItem(name, str(error))
    progress.add(progress.total)


def _read(source: _Source) -> Iterator[Item]:
    file = source.file
    source.progress.total = file.seek(0, 2)
    file.seek(0)
    head = file.read(CHUNK_BYTES)
    file.seek(0)
    start = head.removeprefix(codecs.BOM_UTF8).lstrip(_WHITESPACE)[:1]
    if not head:
        yield RejectedItem(source.name, "The file is empty.")
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        archive = open_archive(cast(BinaryIO, file), source.max_content_bytes)
        yield from _read_archive(archive, source)
    elif start == b"{":
        yield from _read_object(source)
    elif not (start == b"[" and is_document_start(head)) and _has_json_lines(source):
        yield from _read_lines(source)
    elif start == b"[":
        file.seek(0)
        yield from _read_list(source)
    else:
        yield RejectedItem(source.name, _UNKNOWN_FORMAT)


def _read_archive(archive: Archive, source: _Source) -> Iterator[Item]:
    yield from map(FileNote, archive.notes)
    source.progress.total = archive.size
    if not archive.names:
        yield RejectedItem(source.name, _UNKNOWN_FORMAT)
    for name in archive.names:
        try:
            file = archive.open(name)
        except READ_ERRORS:
            yield RejectedItem(name, _DAMAGED)
            continue
        with file:
            entry = replace(source, file=file, name=name)
            if archive.is_parley:
                for item in _read_document(entry, entry.chunks()):
                    yield _with_content(item, archive)
            else:
                yield from _read_list(entry)


def _with_content(item: Item, archive: Archive) -> Item:
    if isinstance(item, PortableConversation):
        return replace(item, content=archive.content)
    return item


def _read_list(source: _Source) -> Iterator[Item]:
    is_empty = True
    try:
        for value in json_stream.iter_values(source.chunks(), source.limits, is_list=True):
            is_empty = is_empty and value is None
            yield value if value is None else _convert(value, source)
    except InvalidJson as error:
        yield RejectedItem(source.name, str(error))
    else:
        if is_empty:
            yield RejectedItem(source.name, "The file holds no conversations.")


def _read_object(source: _Source) -> Iterator[Item]:
    """Read a file that starts with an object: one conversation, or JSON Lines."""
    found = []
    try:
        for value in json_stream.iter_values(
            source.chunks(), SINGLE_CONVERSATION_LIMITS, is_list=False
        ):
            found += [] if value is None else [value]
            yield None
    except InvalidJson as error:
        if _has_json_lines(source):
            yield from _read_lines(source)
            return
        yield from (_convert(value, source) for value in found)
        yield RejectedItem(source.name, str(error))
    else:
        yield from (_convert(value, source) for value in found)


def _read_lines(source: _Source) -> Iterator[Item]:
    source.file.seek(0)
    source.progress.restart()
    max_length, number, is_partial = source.limits.size, 0, False
    for line in source.lines(max_length):
        is_rest, is_partial = is_partial, not line.endswith(b"\n")
        if is_rest:
            yield None
            continue
        number += 1
        name = f"{source.name}, line {number:,}"
        if is_partial and len(line) == max_length + CHUNK_BYTES:
            yield RejectedItem(name, _TOO_LARGE)
        elif line.strip():
            yield from _read_document(replace(source, name=name), chunks(line))


def _has_json_lines(source: _Source) -> bool:
    source.file.seek(0)
    silent = replace(source, progress=_Progress(lambda done, total: None))
    return is_json_lines(silent.lines(source.limits.size), source.limits)


def _read_document(source: _Source, chunks: Iterable[bytes]) -> Iterator[Item]:
    try:
        for value in json_stream.iter_values(chunks, source.limits, is_list=False):
            yield value if value is None else _convert(value, source)
    except InvalidJson as error:
        yield RejectedItem(source.name, str(error))


def _convert(value: Any, source: _Source) -> Item:
    """Convert a JSON value in any supported format."""
    if isinstance(value, OversizedValue):
        return RejectedItem(_title(value.partial, source), _TOO_LARGE)
    if not isinstance(value, dict):
        type_name = _TYPE_NAMES.get(type(value), "a number")
        return RejectedItem(source.name, f"It is {type_name}, not a conversation.")
    try:
        if is_parley(value):
            return _bounded(from_json(value, source.now))
        if is_chatgpt(value):
            return _bounded(from_chatgpt(value, source.now))
        if is_jsonl(value):
            return _bounded(from_jsonl(value, source.now))
    except UnreadableConversation as error:
        return RejectedItem(_title(value, source), str(error))
    return RejectedItem(_title(value, source), _UNKNOWN_FORMAT)


def _bounded(portable: PortableConversation) -> PortableConversation:
    """Return the conversation. Raises `UnreadableConversation` if a text in it is too long."""
    messages = (node.message for node in portable.nodes)
    texts = (text for message in messages for text in (message.text, message.reasoning))
    prompt = portable.conversation.settings.system_prompt
    if any(len(text) > MAX_TEXT_CHARACTERS for text in (prompt, *texts)):
        raise UnreadableConversation(_TEXT_TOO_LONG)
    return portable


def _title(value: Any, source: _Source) -> str:
    title = validation.text(validation.mapping(value).get("title"))
    return title_from(title) if title.strip() else source.name

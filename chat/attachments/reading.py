"""From an attached file to what is kept, shown and sent of it.

It decides in which order a file is judged, and what people read about it. It never looks into a
file itself: that happens in the sandbox.
"""

from __future__ import annotations

import hashlib
import logging
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from chat.attachments import sandbox
from chat.attachments.cache import Recent
from chat.attachments.file_names import clean_name
from chat.attachments.file_types import Kind, recognise
from chat.config.settings import Settings
from chat.domain.attachment import File, FileKind
from chat.domain.ids import storable
from chat.domain.sizes import human_size
from chat.errors import (
    EncryptedFile,
    FileEmpty,
    FileRefused,
    FileTooComplex,
    FileTooLarge,
    NoTextInFile,
    UnreadableFile,
)

log = logging.getLogger(__name__)

_REFUSALS: Mapping[str, type[FileRefused]] = {
    "encrypted": EncryptedFile,
    "unreadable": UnreadableFile,
    "too_complex": FileTooComplex,
    "no_text": NoTextInFile,
}
_PICTURES = {  # what they begin with
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
}
_REFUSAL_BYTES, _REFUSAL_SECONDS = 1_000, 60.0  # what took too long may go well in a minute
_SECONDS = 20.0
_PDF_SECONDS = 12.0  # then the pages read so far have to do


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A file that was read. `content` is what is kept and shown: of an image a clean copy."""

    name: str
    kind: FileKind
    media_type: str  # of `content`
    label: str  # "PDF"
    content: bytes = field(repr=False)
    text: str = field(repr=False)  # what is sent; "" for an image
    preview: str = field(repr=False)  # of a table's first rows, JSON; else ""
    details: str  # "3 pages"
    width: int = 0  # of an image, in pixels
    height: int = 0


class FileReader:
    """Reads attached files. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._limit = int(settings.max_file_mb * 1_000_000)
        self._recent: Recent[ParsedFile | type[FileRefused]] = Recent(_worth)

    def read(self, file: File) -> ParsedFile:
        """Raises the `FileRefused` that says why it cannot be read."""
        name = clean_name(file.name)
        if len(file.data) > self._limit:
            size, limit = human_size(len(file.data)), human_size(self._limit)
            if size == limit:
                size = f"{len(file.data):,} bytes"
            raise FileTooLarge(name, size=size, limit=limit)
        key = (hashlib.sha256(file.data).digest(), name)
        outcome = self._recent.get(key, lambda: _judged(name, file.data))
        if isinstance(outcome, ParsedFile):
            is_own = outcome.kind is FileKind.IMAGE  # of others the bytes are the file's
            return outcome if is_own else replace(outcome, content=file.data)
        raise outcome(name)


def is_valid_image(data: bytes) -> bool:
    """Whether it could be what was once made of an attached image: whole, and no larger.

    Reads it in the sandbox, which takes a tenth of a second.
    """
    try:
        header, _ = sandbox.run("picture", data, {}, seconds=_SECONDS)
    except sandbox.SandboxFailed:
        return False
    return header.get("is_sound") is True


def _worth(outcome: ParsedFile | type[FileRefused]) -> tuple[int, float]:
    """About how many bytes it takes to keep, and for how many seconds that makes sense."""
    if not isinstance(outcome, ParsedFile):
        return _REFUSAL_BYTES, _REFUSAL_SECONDS
    return sum(map(sys.getsizeof, (outcome.content, outcome.text, outcome.preview))), math.inf


def _judged(name: str, data: bytes) -> ParsedFile | type[FileRefused]:
    """The reading, or why there is none: an error that is kept would keep the file with it."""
    try:
        parsed = _read(name, data)
    except FileRefused as error:
        return type(error)
    return parsed if parsed.kind is FileKind.IMAGE else replace(parsed, content=b"")


def _read(name: str, data: bytes) -> ParsedFile:
    kind = recognise(name, data)
    try:
        header, content = sandbox.run(kind.reader, data, _options(kind), seconds=_SECONDS)
    except sandbox.SandboxFailed as failed:
        raise _refusal(kind, failed.problem)(name) from None
    try:
        if kind.file_kind is FileKind.IMAGE:
            return _image(name, kind, header, content)
        return _texts(name, kind, data, header, content)
    except (KeyError, TypeError, ValueError):  # the child answered, but not as a reader does
        log.warning("the reader %s gave an answer that makes no sense", kind.reader)
        raise UnreadableFile(name) from None


def _options(kind: Kind) -> dict[str, Any]:
    if kind.reader == "pdf":
        return {"seconds": _PDF_SECONDS}
    return {"delimiter": "\t"} if kind.label == "TSV" else {}


def _refusal(kind: Kind, problem: str) -> type[FileRefused]:
    if problem == "no_text" and kind.reader not in {"pdf", "word"}:
        return FileEmpty  # no scan, but blank
    return _REFUSALS[problem]


def _image(name: str, kind: Kind, header: dict[str, Any], content: bytes) -> ParsedFile:
    width, height, media_type = int(header["width"]), int(header["height"]), header["media_type"]
    if not content.startswith(_PICTURES[media_type]):
        raise ValueError(media_type)
    details = f"{width:,} × {height:,}"
    if header["is_animated"]:
        details += ", only the first picture"
    return ParsedFile(
        name, kind.file_kind, media_type, kind.label, content, "", "", details, width, height
    )


def _texts(
    name: str, kind: Kind, data: bytes, header: dict[str, Any], content: bytes
) -> ParsedFile:
    preview = orjson.dumps(header["preview"]).decode() if "preview" in header else ""
    return ParsedFile(
        name,
        kind.file_kind,
        kind.media_type,
        kind.label,
        content=data,
        text=storable(content.decode()),
        preview=storable(preview),
        details=_details(kind.reader, header),
    )


def _details(reader: str, header: dict[str, Any]) -> str:
    match reader:
        case "pdf":
            damaged = int(header["pages_damaged"])
            pages = _amount(header, "page")
            return f"{pages}, {damaged:,} of them damaged" if damaged else pages
        case "word":
            return _amount(header, "word")
        case "sheet":
            sheets = int(header["sheets"])
            rows = _amount(header, "row")
            return f"{sheets:,} sheets, {rows}" if sheets > 1 else rows
        case "csv":
            return _amount(header, "row")
        case _:
            return _amount(header, "line")


def _amount(header: dict[str, Any], unit: str) -> str:
    """ "3 pages", "only the first 2 of 3 pages", or "1 page, only the beginning"."""
    total, read = int(header[f"{unit}s"]), int(header[f"{unit}s_read"])
    amount = f"{total:,} {unit}" if total == 1 else f"{total:,} {unit}s"
    if read < total:
        return f"only the first {read:,} of {amount}"
    return f"{amount}, only the beginning" if header["is_cut"] else amount

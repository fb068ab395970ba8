"""Read attached files: detect the type, parse in the sandbox and describe the result.

File contents are parsed by `readers` in a child process only; this module never parses them.
"""

from __future__ import annotations

import hashlib
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from cachetools import TLRUCache

from chat.attachments import sandbox
from chat.attachments.details import describe
from chat.attachments.file_names import clean_name
from chat.attachments.file_types import FileType, detect_file_type
from chat.attachments.reader_slots import FULL_SECONDS, NoFreeSlot, OnWait, ReaderSlots
from chat.config.settings import Settings
from chat.domain.attachment import File, FileKind
from chat.domain.ids import storable
from chat.domain.sizes import human_size
from chat.domain.text_encodings import TEXT_ENCODINGS
from chat.errors import (
    EncryptedFile,
    FileEmpty,
    FileRefused,
    FileTooComplex,
    FileTooLarge,
    NoTextInFile,
    ReadersBusy,
    UnreadableFile,
)

log = logging.getLogger(__name__)

_REFUSALS: Mapping[str, type[FileRefused]] = {
    "encrypted": EncryptedFile,
    "unreadable": UnreadableFile,
    "too_complex": FileTooComplex,
    "no_text": NoTextInFile,
}
_IMAGE_SIGNATURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
}
_CACHE_BYTES = 64_000_000
_REFUSAL_BYTES = 1_000
_BRIEF_SECONDS = 60.0  # that a refusal is cached: a timeout may not repeat on a less busy machine
# The part of the time after which a reader returns what it has read.
_SHARES = {"pdf": 0.6, "sheet": 0.25}


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The parsed content of a file.

    `content` is stored and displayed: a re-encoded copy of an image, or the original bytes of any
    other file.
    """

    name: str
    kind: FileKind
    media_type: str  # of `content`
    label: str  # "PDF"
    content: bytes = field(repr=False)
    text: str = field(repr=False)  # sent to the model; "" for an image
    preview: str = field(repr=False)  # the first rows of a table as JSON; else ""
    details: str  # "3 pages"
    width: int = 0  # of an image, in pixels
    height: int = 0
    encoding: str = ""  # of a text, if it was guessed or chosen


_Key = tuple[bytes, str, str]  # SHA-256, name, chosen encoding
_Result = ParsedFile | type[FileRefused]


class FileReader:
    """Reader for attached files with a cache of parsed files. Thread-safe.

    Threads that read the same file at the same time parse it once. The reader processes are shared
    fairly among owners.
    """

    def __init__(
        self,
        settings: Settings,
        slots: ReaderSlots | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = int(settings.max_file_mb * 1_000_000)
        self.slots = slots or ReaderSlots()
        self._cache = TLRUCache[_Key, tuple[_Result, float]](
            _CACHE_BYTES,
            ttu=lambda _, entry, now: now + entry[1],
            timer=clock,
            getsizeof=lambda entry: _cached_size(entry[0]),
        )
        self._cache_lock = threading.Lock()

    def read(self, file: File, owner: str, on_wait: OnWait = lambda: None) -> ParsedFile:
        """Return the parsed file. Raises the `FileRefused` that explains why it cannot be read.

        `on_wait` is called while the files of others are read first. It may raise an exception to
        stop waiting.
        """
        name = clean_name(file.name)
        if len(file.data) > self._limit:
            size, limit = human_size(len(file.data)), human_size(self._limit)
            if size == limit:
                size = f"{len(file.data):,} bytes"
            raise FileTooLarge(name, size=size, limit=limit)
        encoding = file.encoding if file.encoding in TEXT_ENCODINGS else ""
        key = (hashlib.sha256(file.data).digest(), name, encoding)
        result = self._cached(key) or self._parse(key, file.data, owner, on_wait)
        if not isinstance(result, ParsedFile):
            raise result(name)
        return result if result.kind is FileKind.IMAGE else replace(result, content=file.data)

    def image_size(self, data: bytes, owner: str) -> tuple[int, int] | None:
        """Return the width and height of an image in pixels.

        None if it is damaged or larger than Parley stores.

        Decodes it in the sandbox, which takes about 100 ms.
        """
        with self.slots.hold(owner, object(), is_patient=True):
            try:
                header, _ = sandbox.run("image", data, {}, seconds=FULL_SECONDS)
            except sandbox.SandboxError:
                return None
        width, height = header.get("width"), header.get("height")
        if header.get("is_valid") is not True or not isinstance(width, int):
            return None
        return (width, height) if isinstance(height, int) else None

    def _cached(self, key: _Key) -> _Result | None:
        with self._cache_lock:
            result, _ = self._cache.get(key, (None, 0.0))
            return result

    def _parse(self, key: _Key, data: bytes, owner: str, on_wait: OnWait) -> _Result:
        """Parse a file once a slot is free, unless another thread has parsed it by then."""
        _, name, encoding = key
        try:
            with self.slots.hold(owner, key, on_wait) as seconds:
                if (result := self._cached(key)) is not None:
                    return result
                result = _parse_or_refuse(name, data, encoding, seconds)
                is_hurried = seconds < FULL_SECONDS
                if is_hurried and result is FileTooComplex:
                    raise ReadersBusy(name)
                is_lasting = isinstance(result, ParsedFile) and not is_hurried
                with self._cache_lock, suppress(ValueError):  # larger than the cache
                    self._cache[key] = result, math.inf if is_lasting else _BRIEF_SECONDS
                return result
        except NoFreeSlot:
            raise ReadersBusy(name) from None


def _cached_size(result: _Result) -> int:
    """Return the approximate size of a cache entry in bytes."""
    if not isinstance(result, ParsedFile):
        return _REFUSAL_BYTES
    return sum(map(sys.getsizeof, (result.content, result.text, result.preview)))


def _parse_or_refuse(name: str, data: bytes, encoding: str, seconds: float) -> _Result:
    """Return the parsed file, or the error class: a cached error would keep `data` alive.

    Only images have their `content`; other files are stored as they were attached.
    """
    try:
        parsed = _parse(name, data, encoding, seconds)
    except FileRefused as error:
        return type(error)
    return parsed if parsed.kind is FileKind.IMAGE else replace(parsed, content=b"")


def _parse(name: str, data: bytes, encoding: str, seconds: float) -> ParsedFile:
    file_type = detect_file_type(name, data)
    try:
        header, content = sandbox.run(
            file_type.reader, data, _options(file_type, encoding, seconds), seconds=seconds
        )
    except sandbox.SandboxError as error:
        raise _refusal(file_type, error.problem)(name) from None
    try:
        if file_type.file_kind is FileKind.IMAGE:
            return _parsed_image(name, file_type, header, content)
        return _parsed_text(name, file_type, data, header, content)
    except (KeyError, TypeError, ValueError):  # a compromised reader can return anything
        log.warning("the reader %s returned an invalid header", file_type.reader)
        raise UnreadableFile(name) from None


def _options(file_type: FileType, encoding: str, seconds: float) -> dict[str, Any]:
    if share := _SHARES.get(file_type.reader):
        return {"seconds": seconds * share}
    options = {"encoding": encoding} if encoding else {}
    return options | ({"delimiter": "\t"} if file_type.label == "TSV" else {})


def _refusal(file_type: FileType, problem: str) -> type[FileRefused]:
    if problem == "no_text" and file_type.reader not in {"pdf", "word", "rtf"}:
        return FileEmpty  # PDF and Word files may hold scans; others are blank
    return _REFUSALS[problem]


def _parsed_image(
    name: str, file_type: FileType, header: dict[str, Any], content: bytes
) -> ParsedFile:
    width, height, media_type = int(header["width"]), int(header["height"]), header["media_type"]
    if not content.startswith(_IMAGE_SIGNATURES[media_type]):
        raise ValueError(media_type)
    details = f"{width:,} × {height:,}"
    if header["is_animated"]:
        details += ", first frame only"
    return ParsedFile(
        name,
        file_type.file_kind,
        media_type,
        file_type.label,
        content,
        text="",
        preview="",
        details=details,
        width=width,
        height=height,
    )


def _parsed_text(
    name: str, file_type: FileType, data: bytes, header: dict[str, Any], content: bytes
) -> ParsedFile:
    preview = orjson.dumps(header["preview"]).decode() if "preview" in header else ""
    return ParsedFile(
        name,
        file_type.file_kind,
        file_type.media_type,
        file_type.label,
        content=data,
        text=storable(content.decode()),
        preview=storable(preview),
        details=describe(file_type.reader, header),
        encoding=header.get("encoding") or "",
    )

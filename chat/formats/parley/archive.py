"""Export conversations as a zip archive and open untrusted archives.

    parley.json                  {"format": "parley.archive", "version": 1, "conversations": […]}
    conversations/<id>.json      a conversation each, see `conversation_json`
    contents/<sha256>            attachments, once each

Entries are never unpacked to disk, and their names are never used as paths. Exports are
reproducible: the same conversations produce the same bytes.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, BinaryIO

import orjson

from chat.formats.conversation import PortableConversation, UnreadableConversation
from chat.formats.parley.conversation_json import hashes, to_json

FORMAT, VERSION = "parley.archive", 1
INDEX = "parley.json"
MAX_ENTRIES = 200_000
MAX_DIRECTORY_BYTES = 64 * 2**20
MAX_TOTAL_BYTES = 4 * 2**30  # of conversations, uncompressed
# An export unpacks to a few times its size. More is a bomb, except in a small file.
MAX_RATIO, FREE_BYTES = 20, 32 * 2**20
CHUNK_BYTES = 2**20  # compressed at once
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the minimum of the format; fixed for reproducible exports
_PARLEY = re.compile(r"conversations/[0-9a-zA-Z]{1,100}\.json")
_CHATGPT = re.compile(r"(?:.*/)?conversations(?:[-_]\d{1,6})?\.json")
_COMPRESSION_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
READ_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,  # raised for encrypted entries
    EOFError,
    ValueError,
    OverflowError,
    IndexError,
    OSError,
)


def write(
    file: BinaryIO, conversations: Iterable[PortableConversation], on_written: Callable[[], None]
) -> None:
    """Write the conversations to `file`, consuming the iterable one at a time."""
    index: list[dict[str, Any]] = []
    written: set[str] = set()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for portable in conversations:
            conversation = portable.conversation
            name = f"conversations/{conversation.id}.json"
            _put(archive, name, _json(to_json(portable)))
            for sha256 in hashes(
                file for node in portable.nodes for file in node.message.attachments
            ):
                if sha256 not in written and _put_content(archive, portable, sha256):
                    written.add(sha256)
            index.append({"id": conversation.id, "title": conversation.title, "file": name})
            on_written()
        header = {"format": FORMAT, "version": VERSION, "conversations": index}
        _put(archive, INDEX, _json(header))


def _put_content(archive: zipfile.ZipFile, portable: PortableConversation, sha256: str) -> bool:
    """Write an attachment in pieces, so that none is in memory as a whole."""
    pieces = portable.pieces(sha256)
    first = next(pieces, None)
    if first is None:
        return False
    _put(archive, f"contents/{sha256}", chain((first,), pieces))
    return True


def _json(value: Any) -> Iterator[bytes]:
    data = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    return (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))


def _put(archive: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(entry, "w") as file:
        for piece in pieces:
            file.write(piece)


class _Contents:
    """The attachments in an archive, each up to `max_bytes` and up to `total` bytes together."""

    def __init__(self, file: zipfile.ZipFile, max_bytes: int, total: int) -> None:
        self._zip, self._max_bytes, self._bytes_left = file, max_bytes, total

    def __call__(self, sha256: str) -> bytes | None:
        try:
            entry = self._zip.getinfo(f"contents/{sha256}")
            # zipfile reads no more than the declared size.
            is_too_large = entry.file_size > min(self._max_bytes, self._bytes_left)
            if is_too_large or entry.compress_type not in _COMPRESSION_METHODS:
                return None
            self._bytes_left -= entry.file_size
            return self._zip.read(entry)
        except (KeyError, *READ_ERRORS):
            return None


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive with the names of its readable conversation entries.

    `content` returns an attachment, or None if it is missing, unreadable or too large.
    """

    zip: zipfile.ZipFile
    names: Sequence[str]
    size: int  # uncompressed bytes of the named entries
    is_parley: bool
    notes: tuple[str, ...]
    content: Callable[[str], bytes | None]

    def open(self, name: str) -> IO[bytes]:
        """Open an entry as a stream that never exceeds the declared size.

        Opening and reading raise one of `READ_ERRORS`.
        """
        return self.zip.open(name)


def open_archive(file: BinaryIO, max_content_bytes: int) -> Archive:
    """Open an untrusted archive. Raises `UnreadableConversation`."""
    try:
        if _directory_size(file) > MAX_DIRECTORY_BYTES:
            raise UnreadableConversation("The archive has more entries than can be read.")
        opened = zipfile.ZipFile(file)
    except READ_ERRORS:
        raise UnreadableConversation("The archive is damaged and cannot be opened.") from None
    entries = opened.infolist()
    if len(entries) > MAX_ENTRIES:
        raise UnreadableConversation("The archive has more entries than can be read.")
    safe = {entry.filename: entry for entry in entries if _is_safe(entry.filename)}
    is_parley = INDEX in safe
    pattern = _PARLEY if is_parley else _CHATGPT
    matching = [entry for name, entry in safe.items() if pattern.fullmatch(name)]
    readable = [entry for entry in matching if _is_readable(entry)]
    size = sum(entry.file_size for entry in readable)
    if size > MAX_TOTAL_BYTES:
        raise UnreadableConversation(
            "The archive holds more than 4 GB of conversations, the maximum."
        )
    allowed = FREE_BYTES + MAX_RATIO * file.seek(0, 2)
    if size > allowed:
        raise UnreadableConversation(
            "The archive unpacks to much more than an export of its size. "
            "Import its conversations from a smaller archive."
        )
    return Archive(
        opened,
        sorted(entry.filename for entry in readable),
        size,
        is_parley,
        tuple(_notes(entries, unreadable=len(matching) - len(readable))),
        _Contents(opened, max_content_bytes, allowed - size),
    )


def _is_safe(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return ".." not in parts and parts[0] != "" and ":" not in parts[0] and "\0" not in name


def _is_readable(entry: zipfile.ZipInfo) -> bool:
    return entry.compress_type in _COMPRESSION_METHODS and not entry.flag_bits & 1


def _notes(entries: Sequence[zipfile.ZipInfo], unreadable: int) -> Iterator[str]:
    names = [entry.filename for entry in entries]
    if not all(map(_is_safe, names)):
        yield "Entries with unsafe names were left out."
    if any(name.lower().endswith(".zip") for name in names):
        yield "A zip archive inside the archive was not opened."
    if len(set(names)) < len(names):
        yield "Only one of several entries with the same name was read."
    if unreadable:
        yield "Encrypted entries, or entries with an unsupported compression, were left out."


def _directory_size(file: BinaryIO) -> int:
    """Return the size of the central directory in bytes, without parsing the directory."""
    size = file.seek(0, 2)
    start = max(0, size - 65_557)
    file.seek(start)
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile
    directory_size = int.from_bytes(tail[end + 12 : end + 16], "little")
    locator = tail[max(0, end - 20) : end]
    if locator.startswith(b"PK\x06\x07"):  # Zip64
        file.seek(int.from_bytes(locator[8:16], "little"))
        record = file.read(56)
        if not record.startswith(b"PK\x06\x06"):
            raise zipfile.BadZipFile
        directory_size = int.from_bytes(record[40:48], "little")
    file.seek(0)
    return directory_size

"""Many conversations as one zip: written as a stream, and opened with distrust.

    parley.json                  {"format": "parley.archive", "version": 1, "conversations": […]}
    conversations/<id>.json      one conversation each, as in `schema`
    contents/<sha256>            attached bytes, once each

Nothing is ever unpacked to a disk; names in an archive are compared, never used as paths. The same
conversations always make the same bytes.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import orjson

from chat.formats.conversation import PortableConversation, Unreadable
from chat.formats.parley.conversation_json import hashes, to_json

FORMAT, VERSION = "parley.archive", 1
INDEX = "parley.json"
MOST_ENTRIES = 200_000
LARGEST_DIRECTORY = 64 * 2**20  # bytes
LARGEST_TOTAL = 4 * 2**30  # of conversations, unpacked
LARGEST_CONTENT = 256 * 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say; when it was made matters to nobody
_CONTENT = re.compile(r"contents/([0-9a-f]{64})")
_OWN = re.compile(r"conversations/[0-9a-zA-Z]{1,100}\.json")
_CHATGPT = re.compile(r"(?:.*/)?conversations(?:[-_]\d{1,6})?\.json")
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DAMAGES = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,  # it is locked with a password
    EOFError,
    ValueError,
    OverflowError,
    IndexError,
    OSError,
)


def write(
    file: BinaryIO, conversations: Iterable[PortableConversation], on_written: Callable[[], None]
) -> None:
    """The conversations, each asked for when the one before is written."""
    index: list[dict[str, Any]] = []
    kept: set[str] = set()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for portable in conversations:
            conversation = portable.conversation
            name = f"conversations/{conversation.id}.json"
            _put(archive, name, _json(to_json(portable)))
            for sha256 in hashes(
                file for node in portable.nodes for file in node.message.attachments
            ):
                data = None if sha256 in kept else portable.content(sha256)
                if data is not None:
                    kept.add(sha256)
                    _put(archive, f"contents/{sha256}", data)
            index.append({"id": conversation.id, "title": conversation.title, "file": name})
            on_written()
        head = {"format": FORMAT, "version": VERSION, "conversations": index}
        _put(archive, INDEX, _json(head))


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened zip; only entries that may hold something of use are in it."""

    zip: zipfile.ZipFile
    names: Sequence[str]  # of those with conversations
    size: int  # bytes of those, unpacked
    is_own: bool
    notes: tuple[str, ...]

    def open(self, name: str) -> IO[bytes]:
        """A stream of the entry, which never gives more than the size the archive names.

        Raises one of `DAMAGES`, as reading from it does.
        """
        return self.zip.open(name)

    def content(self, sha256: str) -> bytes | None:
        try:
            entry = self.zip.getinfo(f"contents/{sha256}")
            if entry.file_size > LARGEST_CONTENT or entry.compress_type not in _METHODS:
                return None
            return self.zip.read(entry)
        except (KeyError, *DAMAGES):
            return None


def open_archive(file: BinaryIO) -> Archive:
    """Raises `Unreadable`."""
    try:
        if _directory_size(file) > LARGEST_DIRECTORY:
            raise Unreadable("The archive has more entries than can be read.")
        opened = zipfile.ZipFile(file)
    except DAMAGES:
        raise Unreadable("The archive is damaged: it cannot be opened.") from None
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES:
        raise Unreadable("The archive has more entries than can be read.")
    safe = {entry.filename: entry for entry in entries if _is_safe(entry.filename)}
    is_own = INDEX in safe
    pattern = _OWN if is_own else _CHATGPT
    found = [entry for name, entry in safe.items() if pattern.fullmatch(name)]
    usable = [entry for entry in found if _is_plain(entry)]
    size = sum(entry.file_size for entry in usable)
    if size > LARGEST_TOTAL:
        raise Unreadable("Unpacked, the archive has more than 4 GB, and that cannot be read.")
    return Archive(
        opened,
        sorted(entry.filename for entry in usable),
        size,
        is_own,
        tuple(_notes(entries, locked=len(found) - len(usable))),
    )


def _is_safe(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return ".." not in parts and parts[0] != "" and ":" not in parts[0] and "\0" not in name


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    return entry.compress_type in _METHODS and not entry.flag_bits & 1


def _notes(entries: Sequence[zipfile.ZipInfo], locked: int) -> Iterator[str]:
    names = [entry.filename for entry in entries]
    if not all(map(_is_safe, names)):
        yield "Entries whose names lead out of the archive were left out."
    if any(name.lower().endswith(".zip") for name in names):
        yield "An archive within the archive was not opened."
    if len(set(names)) < len(names):
        yield "Of entries with the same name only one was read."
    if locked:
        yield "Entries that are locked or packed in an unusual way were left out."


def _directory_size(file: BinaryIO) -> int:
    """Bytes of the list of entries, before anything is made of it."""
    size = file.seek(0, 2)
    start = max(0, size - 65_557)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile
    found = int.from_bytes(tail[at + 12 : at + 16], "little")
    locator = tail[max(0, at - 20) : at]
    if locator.startswith(b"PK\x06\x07"):  # the large form says it elsewhere
        file.seek(int.from_bytes(locator[8:16], "little"))
        record = file.read(56)
        if not record.startswith(b"PK\x06\x06"):
            raise zipfile.BadZipFile
        found = int.from_bytes(record[40:48], "little")
    file.seek(0)
    return found

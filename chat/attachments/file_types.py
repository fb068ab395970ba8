"""What a file is, told by its content; its name only tells one kind of text from another.

This runs in the app's own process: it looks at bytes, and takes nothing apart or decompresses it.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from chat.attachments.file_names import ending
from chat.domain.attachment import FileKind
from chat.errors import EncryptedFile, FileEmpty, UnknownFileType, UnreadableFile


@dataclass(frozen=True, slots=True)
class Kind:
    """`reader` names the one that reads it; `label` is what people call it."""

    file_kind: FileKind
    reader: str
    media_type: str
    label: str


_OPEN_XML = "application/vnd.openxmlformats-officedocument."
_PDF = Kind(FileKind.DOCUMENT, "pdf", "application/pdf", "PDF")
_WORD = Kind(FileKind.DOCUMENT, "word", f"{_OPEN_XML}wordprocessingml.document", "Word document")
_EXCEL = Kind(FileKind.TABLE, "sheet", f"{_OPEN_XML}spreadsheetml.sheet", "Excel workbook")
_OLD_EXCEL = Kind(FileKind.TABLE, "sheet", "application/vnd.ms-excel", "Excel workbook")
_OPEN_SHEET = Kind(
    FileKind.TABLE, "sheet", "application/vnd.oasis.opendocument.spreadsheet", "spreadsheet"
)
# All text but these is handed back as text/plain: a browser must not run a page or a drawing.
_TEXTS = {
    "csv": Kind(FileKind.TABLE, "csv", "text/csv", "CSV"),
    "tsv": Kind(FileKind.TABLE, "csv", "text/tab-separated-values", "TSV"),
    "json": Kind(FileKind.DOCUMENT, "text", "application/json", "JSON"),
    "md": Kind(FileKind.DOCUMENT, "text", "text/markdown", "Markdown"),
    "markdown": Kind(FileKind.DOCUMENT, "text", "text/markdown", "Markdown"),
}
_TEXT = Kind(FileKind.DOCUMENT, "text", "text/plain", "text")
_CODE = Kind(FileKind.DOCUMENT, "text", "text/plain", "code")
_PROGRAMS = """bash bat c cc clj cpp cs css cu dart erl ex f90 fs go gradle graphql h hpp hs
    htm html ini ipynb java jl js jsx kt less lua m makefile ml mjs nix php pl proto ps1 py pyi r
    rb rs sass scala scss sh sql svelte swift tex toml ts tsx vb vue xml yaml yml zig zsh"""
_CODE_ENDINGS = frozenset(_PROGRAMS.split())

# What a name may promise: the readers that keep the promise.
_PROMISES = {
    last: readers
    for endings, readers in (
        (("png", "jpg", "jpeg", "jpe", "webp", "gif"), ("picture",)),
        (("xlsx", "xlsm", "xltx", "xls", "xlsb", "ods"), ("sheet",)),
        (("docx", "docm", "dotx"), ("word",)),
        (("pdf",), ("pdf",)),
        ((*_TEXTS, *_CODE_ENDINGS, "txt", "log", "svg"), ("csv", "text")),
    )
    for last in endings
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TEXT_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_SAMPLE = 65_536  # bytes
_CONTROLS = bytes(set(range(32)) - set(b"\b\t\n\v\f\r\x1b")) + b"\x7f"
_MOST_CONTROLS = 0.01

_SOUNDS = "aac flac m4a mp3 mp4 mpeg mpga oga ogg opus wav weba webm"
_AUDIO_ENDINGS = frozenset(_SOUNDS.split())
_PICTURE_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ")


def recognise(name: str, data: bytes) -> Kind:
    """The kind of a file; `name` is its cleaned name.

    Raises FileEmpty, EncryptedFile, UnknownFileType, or UnreadableFile when it is not what its
    name says.
    """
    if not data:
        raise FileEmpty(name)
    kind = _by_content(name, data)
    promised = _PROMISES.get(ending(name))
    if promised and (kind is None or kind.reader not in promised):
        raise UnreadableFile(name)
    if kind is None:
        raise UnknownFileType(name)
    return kind


def is_audio(name: str, data: bytes) -> bool:
    """Whether it is sound (or a film, which holds some), by its content or else by its name."""
    if data[4:8] == b"ftyp":
        return data[8:12] not in _PICTURE_BRANDS
    if data[:4] == b"RIFF":
        return data[8:12] == b"WAVE"
    if data.startswith((b"ID3", b"OggS", b"fLaC", b"\x1a\x45\xdf\xa3")):
        return True
    if _picture(data) or data.startswith((b"PK", b"%PDF-", _OLE)) or _is_text(data):
        return False
    # MPEG audio begins with eleven set bits, a version and a layer.
    if len(data) > 2 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x18 != 0x08:
        return True
    return ending(name) in _AUDIO_ENDINGS


def _by_content(name: str, data: bytes) -> Kind | None:
    if picture := _picture(data):
        return Kind(FileKind.IMAGE, "picture", f"image/{picture}", "image")
    if b"%PDF-" in data[:1024] and (data.lstrip().startswith(b"%PDF-") or not _is_text(data)):
        return _PDF  # some have other bytes before it; a text may speak of it
    if data.startswith(b"PK\x03\x04"):
        return _in_zip(data)
    if data.startswith(_OLE):
        return _in_ole(name, data)
    if not _is_text(data):
        return None
    last = ending(name)
    return _TEXTS.get(last) or (_CODE if last in _CODE_ENDINGS else _TEXT)


def _picture(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def _in_zip(data: bytes) -> Kind | None:
    if re.match(rb".{26}\x08\x00.{2}mimetype" + _OPEN_SHEET.media_type.encode(), data, re.DOTALL):
        return _OPEN_SHEET
    end = data.rfind(b"PK\x05\x06")
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    # The directory stands right before its end record, whatever offset that record names.
    listed = memoryview(data)[max(0, end - size) : max(0, end)]
    folder = re.search(rb"PK\x01\x02.{42}(word|xl)/", listed, re.DOTALL)
    if folder is None:
        return None
    return _WORD if folder[1] == b"word" else _EXCEL


def _in_ole(name: str, data: bytes) -> Kind | None:
    """Old Office files are small file systems; the first stream named there says whose it is."""
    sector = 1 << min(int.from_bytes(data[30:32], "little"), 12)
    directory = sector * (int.from_bytes(data[48:52], "little") + 1)
    streams = ("EncryptedPackage", "WordDocument", "PowerPoint Document", "Workbook", "Book")
    places = {data.find(f"{stream}\0".encode("utf-16-le"), directory): stream for stream in streams}
    places.pop(-1, None)
    if "EncryptedPackage" in places.values():
        raise EncryptedFile(name)
    return _OLD_EXCEL if places and places[min(places)] in {"Workbook", "Book"} else None


def _is_text(data: bytes) -> bool:
    if data.startswith(_TEXT_MARKS):
        return True
    if b"\0" in data:
        return False
    sample = data[:_SAMPLE]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls <= _MOST_CONTROLS * len(sample)

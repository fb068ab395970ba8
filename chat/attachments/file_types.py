"""Detect the type of a file by its content; the name only distinguishes types of text.

This runs in the app's own process, so it compares bytes and never parses or decompresses a file.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from chat.attachments.file_names import extension
from chat.domain.attachment import FileKind
from chat.errors import EncryptedFile, FileEmpty, UnknownFileType, UnreadableFile


@dataclass(frozen=True, slots=True)
class FileType:
    """A file type. `reader` is the module in `readers`; `label` is the name shown to users."""

    file_kind: FileKind
    reader: str
    media_type: str
    label: str


_OPEN_XML = "application/vnd.openxmlformats-officedocument."
_PDF = FileType(FileKind.DOCUMENT, "pdf", "application/pdf", "PDF")
_WORD = FileType(
    FileKind.DOCUMENT, "word", f"{_OPEN_XML}wordprocessingml.document", "Word document"
)
_EXCEL = FileType(FileKind.TABLE, "sheet", f"{_OPEN_XML}spreadsheetml.sheet", "Excel workbook")
_OLD_EXCEL = FileType(FileKind.TABLE, "sheet", "application/vnd.ms-excel", "Excel workbook")
_OPEN_SHEET = FileType(
    FileKind.TABLE, "sheet", "application/vnd.oasis.opendocument.spreadsheet", "spreadsheet"
)
# Other text is served as text/plain so that a browser does not execute HTML or SVG.
_TEXT_TYPES = {
    "csv": FileType(FileKind.TABLE, "csv", "text/csv", "CSV"),
    "tsv": FileType(FileKind.TABLE, "csv", "text/tab-separated-values", "TSV"),
    "json": FileType(FileKind.DOCUMENT, "text", "application/json", "JSON"),
    "md": FileType(FileKind.DOCUMENT, "text", "text/markdown", "Markdown"),
    "markdown": FileType(FileKind.DOCUMENT, "text", "text/markdown", "Markdown"),
    "ipynb": FileType(FileKind.DOCUMENT, "notebook", "text/plain", "notebook"),
    "eml": FileType(FileKind.DOCUMENT, "email", "text/plain", "email"),
}
_RTF = FileType(FileKind.DOCUMENT, "rtf", "application/rtf", "RTF")
_PLAIN_TEXT = FileType(FileKind.DOCUMENT, "text", "text/plain", "text")
_CODE = FileType(FileKind.DOCUMENT, "text", "text/plain", "code")
_CODE_NAMES = """bash bat c cc clj cpp cs css cu dart erl ex f90 fs go gradle graphql h hpp hs htm
    html ini java jl js jsx kt less lua m makefile ml mjs nix php pl proto ps1 py pyi r rb
    rs sass scala scss sh sql svelte swift tex toml ts tsx vb vue xml yaml yml zig zsh"""
_CODE_EXTENSIONS = frozenset(_CODE_NAMES.split())

# The readers that may handle a file with a given extension.
_EXPECTED_READERS = {
    suffix: readers
    for suffixes, readers in (
        (("png", "jpg", "jpeg", "jpe", "webp", "gif"), ("image",)),
        (("xlsx", "xlsm", "xltx", "xls", "xlsb", "ods"), ("sheet",)),
        (("docx", "docm", "dotx"), ("word", "rtf")),
        (("pdf",), ("pdf",)),
        (("rtf",), ("rtf",)),
        (
            (*_TEXT_TYPES, *_CODE_EXTENSIONS, "txt", "log", "svg"),
            ("csv", "text", "notebook", "email"),
        ),
    )
    for suffix in suffixes
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_SAMPLE_BYTES = 65_536
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\b\t\n\v\f\r\x1b")) + b"\x7f"
_MAX_CONTROL_RATIO = 0.01

_NUL_RUNS = re.compile(rb"\0+")
_MIN_TEXT_PER_NUL = 10  # bytes, on average
_HIGH_BYTES = bytes(range(128, 256))
_MIN_ASCII_RATIO = 0.7  # of text with NUL bytes that is not UTF-8

_AUDIO_NAMES = "aac flac m4a mp3 mp4 mpeg mpga oga ogg opus wav weba webm"
_AUDIO_EXTENSIONS = frozenset(_AUDIO_NAMES.split())
_IMAGE_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ")


def detect_file_type(name: str, data: bytes) -> FileType:
    """Return the type of a file. `name` is the sanitized name.

    Raises FileEmpty, EncryptedFile or UnknownFileType, or UnreadableFile if the content does not
    match the extension.
    """
    if not data:
        raise FileEmpty(name)
    file_type = _detect_by_content(name, data)
    expected = _EXPECTED_READERS.get(extension(name))
    if expected and (file_type is None or file_type.reader not in expected):
        raise UnreadableFile(name)
    if file_type is None:
        raise UnknownFileType(name)
    return file_type


def is_audio(name: str, data: bytes) -> bool:
    """Return whether a file is audio or video, by its content or else by its extension."""
    if data[4:8] == b"ftyp":
        return data[8:12] not in _IMAGE_BRANDS
    if data[:4] == b"RIFF":
        return data[8:12] == b"WAVE"
    if data.startswith((b"ID3", b"OggS", b"fLaC", b"\x1a\x45\xdf\xa3")):
        return True
    if _image_format(data) or data.startswith((b"PK", b"%PDF-", _OLE)) or _is_text(data):
        return False
    # An MPEG audio frame starts with eleven set bits, the version and the layer.
    if len(data) > 2 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x18 != 0x08:
        return True
    return extension(name) in _AUDIO_EXTENSIONS


def _detect_by_content(name: str, data: bytes) -> FileType | None:
    if image_format := _image_format(data):
        return FileType(FileKind.IMAGE, "image", f"image/{image_format}", "image")
    if b"%PDF-" in data[:1024] and (data.lstrip().startswith(b"%PDF-") or not _is_text(data)):
        return _PDF  # the header may follow other bytes, but text may quote it
    if data.startswith(b"PK\x03\x04"):
        return _detect_in_zip(data)
    if data.startswith(_OLE):
        return _detect_in_ole(name, data)
    if not _is_text(data):
        return None
    suffix = extension(name)
    if data.startswith(b"{\\rtf") and "text" not in _EXPECTED_READERS.get(suffix, ()):
        return _RTF  # also under the names .doc and .docx
    return _TEXT_TYPES.get(suffix) or (_CODE if suffix in _CODE_EXTENSIONS else _PLAIN_TEXT)


def _image_format(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def _detect_in_zip(data: bytes) -> FileType | None:
    if re.match(rb".{26}\x08\x00.{2}mimetype" + _OPEN_SHEET.media_type.encode(), data, re.DOTALL):
        return _OPEN_SHEET
    end = data.rfind(b"PK\x05\x06")
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    # Ignore the offset in the end record: the central directory always precedes the record.
    directory = memoryview(data)[max(0, end - size) : max(0, end)]
    folder = re.search(rb"PK\x01\x02.{42}(word|xl)/", directory, re.DOTALL)
    if folder is None:
        return None
    return _WORD if folder[1] == b"word" else _EXCEL


def _detect_in_ole(name: str, data: bytes) -> FileType | None:
    """Detect an OLE file (Office until 2003, encrypted Office) by its first known stream."""
    sector = 1 << min(int.from_bytes(data[30:32], "little"), 12)
    directory = sector * (int.from_bytes(data[48:52], "little") + 1)
    streams = ("EncryptedPackage", "WordDocument", "PowerPoint Document", "Workbook", "Book")
    found = {data.find(f"{stream}\0".encode("utf-16-le"), directory): stream for stream in streams}
    found.pop(-1, None)
    if "EncryptedPackage" in found.values():
        raise EncryptedFile(name)
    return _OLD_EXCEL if found and found[min(found)] in {"Workbook", "Book"} else None


def _is_text(data: bytes) -> bool:
    if data.startswith(_BYTE_ORDER_MARKS):
        return True
    if b"\0" in data:
        if _may_be_utf16(data):
            return True
        data, runs = _NUL_RUNS.subn(b"", data)
        # A crash or a log rotation leaves a few runs of them; binary files have many.
        if not data or runs > max(1, len(data) // _MIN_TEXT_PER_NUL):
            return False
        if len(data.translate(None, _HIGH_BYTES)) < _MIN_ASCII_RATIO * len(data):
            try:
                data.decode()
            except UnicodeDecodeError:
                return False
    sample = data[:_SAMPLE_BYTES]
    controls = len(sample) - len(sample.translate(None, _CONTROL_BYTES))
    return controls <= _MAX_CONTROL_RATIO * len(sample)


def _may_be_utf16(data: bytes) -> bool:
    """Return whether NUL bytes are in every other place only, as in UTF-16 without a mark.

    The reader decides whether it is text.
    """
    sample = data[:_SAMPLE_BYTES]
    nulls = sample[0::2].count(0), sample[1::2].count(0)
    return max(nulls) > 4 * min(nulls) and 200 * max(nulls) >= len(sample)

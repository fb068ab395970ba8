"""Attached files: uploaded, checked before sending, and stored with a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FileKind(StrEnum):
    IMAGE = "image"  # sent as a picture
    TABLE = "table"  # sent as text, shown as a table
    DOCUMENT = "document"  # sent as text


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file. Its name and its content are untrusted.

    `encoding` is chosen by the person if the guess was wrong: a key of TEXT_ENCODINGS, or "".
    """

    name: str
    data: bytes = field(repr=False)
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class FileCost:
    """The tokens that a file would cost if it were sent now, or the `problem` that prevents it."""

    name: str
    size: int  # bytes
    kind: FileKind | None = None
    details: str = ""
    tokens: int = 0
    is_exact: bool = False
    encoding: str = ""  # of a text, if it was guessed or chosen
    excerpt: str = ""  # of that text, to judge the encoding by
    problem: str = ""
    is_too_long: bool = False  # True if only its beginning fits
    is_audio: bool = False  # True if it is transcribed into the message box instead


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file stored with a message. Its contents are stored under their SHA-256."""

    id: str
    message_id: str
    name: str  # sanitized: one line, no folders
    kind: FileKind
    media_type: str
    size: int  # bytes of the original file
    details: str  # "3 pages", "1,024 × 768"
    tokens: int  # including the fence around it
    is_exact: bool
    sha256: str  # of the content that is shown and downloaded
    text_sha256: str | None = None  # of the text that is sent; None for images
    preview_sha256: str | None = None  # of the first rows of a table
    is_partial: bool = False  # True if only its beginning is sent


@dataclass(frozen=True, slots=True)
class NewAttachment:
    """A parsed and counted file, ready to be stored."""

    name: str
    kind: FileKind
    media_type: str
    size: int
    details: str
    tokens: int
    is_exact: bool
    data: bytes = field(repr=False)
    text: str = field(default="", repr=False)
    preview: str = field(default="", repr=False)
    is_partial: bool = False

"""Attached files: as uploaded, as priced, and as stored with a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FileKind(StrEnum):
    IMAGE = "image"  # sent as a picture
    TABLE = "table"  # sent as text, shown as a table
    DOCUMENT = "document"  # sent as text


@dataclass(frozen=True, slots=True)
class File:
    """What a person attaches: bytes under the name their browser gave, both not to be trusted."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FileCost:
    """What a file would cost if it were sent now, or the `problem` that keeps it back."""

    name: str
    size: int  # bytes
    kind: FileKind | None = None
    details: str = ""
    tokens: int = 0
    is_exact: bool = False
    problem: str = ""
    is_too_long: bool = False  # only its beginning would fit
    is_audio: bool = False  # it is turned into text for the box instead


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as it is kept with a message; its contents are stored by their SHA-256."""

    id: str
    message_id: str
    name: str  # cleaned: one line, no folders
    kind: FileKind
    media_type: str
    size: int  # bytes of the file as it was attached
    details: str  # "3 pages", "1,024 × 768"
    tokens: int  # what it costs to send, its wrapping included
    is_exact: bool
    sha256: str  # of what is shown and handed back
    text_sha256: str | None = None  # of what is sent, for anything but an image
    preview_sha256: str | None = None  # of a table's first rows
    is_partial: bool = False  # only its beginning is sent


@dataclass(frozen=True, slots=True)
class NewAttachment:
    """A file that was read and counted, ready to be stored."""

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

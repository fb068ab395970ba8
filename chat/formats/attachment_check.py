"""Whether a file that came with a conversation is what it says, before it is kept. Pure.

It is looked at as an upload is, and never taken apart: its bytes hash to its name, its kind is the
one its content tells, what is sent of it is text, and the preview has the shape that is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from chat.attachments.file_types import detect_file_type
from chat.domain.attachment import Attachment, FileKind
from chat.domain.token_estimate import estimate_tokens
from chat.errors import FileRefused
from chat.formats import validation
from chat.formats.conversation import PortableConversation

_PICTURE_TOKENS = (85, 200_000)


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that can be kept; `pieces` holds its contents by their SHA-256."""

    attachment: Attachment
    contents: dict[str, bytes] = field(repr=False)


def check_attachment(
    file: Attachment, content: Callable[[str], bytes | None]
) -> CheckedFile | None:
    """The file, put right where that can be; None when it has to be left out."""
    data = _whole(content, file.sha256)
    if data is None:
        return None
    try:
        kind = detect_file_type(file.name, data)
    except FileRefused:
        return None
    if kind.file_kind is not file.kind:
        return None
    checked = replace(file, media_type=kind.media_type, size=file.size or len(data))
    contents = {file.sha256: data}
    if file.kind is FileKind.IMAGE:
        least, most = _PICTURE_TOKENS
        if not least <= file.tokens <= most:
            checked = replace(checked, tokens=least, is_exact=False)
        return CheckedFile(replace(checked, text_sha256=None, preview_sha256=None), contents)
    raw = _whole(content, file.text_sha256 or file.sha256)
    text = _text(raw)
    if raw is None or text is None:
        return None
    if file.text_sha256:
        contents[file.text_sha256] = raw
    if not len(text) / 200 <= file.tokens <= 4 * len(text) + 1000:
        checked = replace(checked, tokens=estimate_tokens(text), is_exact=False)
    preview = _whole(content, file.preview_sha256) if file.preview_sha256 else None
    if preview is not None and file.preview_sha256 and _can_be_drawn(preview):
        contents[file.preview_sha256] = preview
    else:
        checked = replace(checked, preview_sha256=None)
    return CheckedFile(checked, contents)


def without_invalid_images(
    portable: PortableConversation, is_sound: Callable[[bytes], bool]
) -> PortableConversation:
    """The same conversation without the pictures that are none; `is_sound` may take a while."""
    files = (file for node in portable.nodes for file in node.message.attachments)
    pictures = {file.sha256 for file in files if file.kind is FileKind.IMAGE}

    def judged(sha256: str) -> bool:
        data = portable.content(sha256)
        return data is not None and is_sound(data)

    bad = {sha256 for sha256 in pictures if not judged(sha256)}
    if not bad:
        return portable
    return replace(
        portable, content=lambda sha256: None if sha256 in bad else portable.content(sha256)
    )


def _whole(content: Callable[[str], bytes | None], sha256: str) -> bytes | None:
    data = content(sha256)
    is_right = data is not None and hashlib.sha256(data).hexdigest() == sha256
    return data if is_right else None


def _text(data: bytes | None) -> str | None:
    try:
        return data.decode() if data is not None else None
    except UnicodeDecodeError:
        return None


def _can_be_drawn(preview: bytes) -> bool:
    """Whether it is {"sheets": [{"name", "columns": […], "rows": [[…]]}]}."""
    try:
        sheets = validation.mapping(orjson.loads(preview)).get("sheets")
    except orjson.JSONDecodeError:
        return False
    return isinstance(sheets, list) and all(map(_is_sheet, sheets))


def _is_sheet(value: Any) -> bool:
    sheet = validation.mapping(value)
    columns, rows = sheet.get("columns"), sheet.get("rows")
    if not isinstance(sheet.get("name"), str) or not isinstance(columns, list):
        return False
    if not isinstance(rows, list):
        return False
    return all(
        isinstance(row, list) and not any(isinstance(cell, (dict, list)) for cell in row)
        for row in rows
    )

"""Verify the attachments of an imported conversation before they are stored. Pure.

The checks match those of an upload, without parsing the file: the bytes have the declared SHA-256,
the type matches the content, the text is text and the preview has the expected structure.
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

_MIN_IMAGE_TOKENS, _MAX_IMAGE_TOKENS = 85, 200_000


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """An attachment that can be stored, and its contents by SHA-256."""

    attachment: Attachment
    contents: dict[str, bytes] = field(repr=False)


def check_attachment(
    file: Attachment, content: Callable[[str], bytes | None]
) -> CheckedFile | None:
    """Return the attachment with corrected metadata, or None if it has to be left out."""
    data = _verified(content, file.sha256)
    if data is None:
        return None
    try:
        file_type = detect_file_type(file.name, data)
    except FileRefused:
        return None
    if file_type.file_kind is not file.kind:
        return None
    checked = replace(file, media_type=file_type.media_type, size=file.size or len(data))
    contents = {file.sha256: data}
    if file.kind is FileKind.IMAGE:
        if not _MIN_IMAGE_TOKENS <= file.tokens <= _MAX_IMAGE_TOKENS:
            checked = replace(checked, tokens=_MIN_IMAGE_TOKENS, is_exact=False)
        return CheckedFile(replace(checked, text_sha256=None, preview_sha256=None), contents)
    raw = _verified(content, file.text_sha256 or file.sha256)
    text = _decode(raw)
    if raw is None or text is None:
        return None
    if file.text_sha256:
        contents[file.text_sha256] = raw
    if not len(text) / 200 <= file.tokens <= 4 * len(text) + 1000:
        checked = replace(checked, tokens=estimate_tokens(text), is_exact=False)
    preview = _verified(content, file.preview_sha256) if file.preview_sha256 else None
    if preview is not None and file.preview_sha256 and _is_preview(preview):
        contents[file.preview_sha256] = preview
    else:
        checked = replace(checked, preview_sha256=None)
    return CheckedFile(checked, contents)


def without_invalid_images(
    portable: PortableConversation, is_valid: Callable[[bytes], bool]
) -> PortableConversation:
    """Return the conversation without the content of invalid images. `is_valid` may be slow."""
    files = (file for node in portable.nodes for file in node.message.attachments)
    images = {file.sha256 for file in files if file.kind is FileKind.IMAGE}

    def has_valid_content(sha256: str) -> bool:
        data = portable.content(sha256)
        return data is not None and is_valid(data)

    invalid = {sha256 for sha256 in images if not has_valid_content(sha256)}
    if not invalid:
        return portable
    return replace(
        portable, content=lambda sha256: None if sha256 in invalid else portable.content(sha256)
    )


def _verified(content: Callable[[str], bytes | None], sha256: str) -> bytes | None:
    """Return the content if it has the given hash, else None."""
    data = content(sha256)
    is_match = data is not None and hashlib.sha256(data).hexdigest() == sha256
    return data if is_match else None


def _decode(data: bytes | None) -> str | None:
    try:
        return data.decode() if data is not None else None
    except UnicodeDecodeError:
        return None


def _is_preview(preview: bytes) -> bool:
    """Return whether it is {"sheets": [{"name", "columns": […], "rows": [[…]]}]}."""
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

"""Verify the attachments of an imported conversation before they are stored. Pure.

The checks match those of an upload, without parsing documents: the bytes have the declared SHA-256,
the type matches the content, the text is text and the preview has the expected structure. Tokens,
sizes and the dimensions of images are determined again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from chat.attachments.file_types import detect_file_type
from chat.attachments.token_cost import image_tokens
from chat.domain.attachment import Attachment, FileKind
from chat.domain.document_fencing import fence_document
from chat.domain.token_estimate import TokenCount
from chat.errors import FileRefused
from chat.formats import validation

ImageSize = Callable[[bytes], tuple[int, int] | None]
"""Return the width and height of a valid image in pixels; None if it is invalid."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """An attachment that can be stored, and its contents by SHA-256."""

    attachment: Attachment
    contents: dict[str, bytes] = field(repr=False)


def check_attachment(
    file: Attachment,
    content: Callable[[str], bytes | None],
    *,
    count: Callable[[str], TokenCount],
    image_size: ImageSize,
) -> CheckedFile | None:
    """Return the attachment with metadata from its content, or None if it has to be left out."""
    data = _verified(content, file.sha256)
    if data is None:
        return None
    try:
        file_type = detect_file_type(file.name, data)
    except FileRefused:
        return None
    if file_type.file_kind is not file.kind:
        return None
    checked = replace(file, media_type=file_type.media_type, size=len(data))
    if file.kind is FileKind.IMAGE:
        return _check_image(checked, data, image_size)
    raw = data
    if file.text_sha256 and file.text_sha256 != file.sha256:
        found = _verified(content, file.text_sha256)
        if found is None:
            return None
        raw = found
    return _check_document(checked, data, raw, content, count)


def _check_image(file: Attachment, data: bytes, image_size: ImageSize) -> CheckedFile | None:
    size = image_size(data)
    if size is None:
        return None
    details = f"{size[0]:,} × {size[1]:,}"
    checked = replace(
        file,
        details=file.details if file.details.startswith(f"{details}, ") else details,
        tokens=image_tokens(*size),
        is_exact=False,
        is_partial=False,
        text_sha256=None,
        preview_sha256=None,
    )
    return CheckedFile(checked, {file.sha256: data})


def _check_document(
    file: Attachment,
    data: bytes,
    raw: bytes,
    content: Callable[[str], bytes | None],
    count: Callable[[str], TokenCount],
) -> CheckedFile | None:
    text = _decode(raw)
    if text is None:
        return None
    tokens = count(fence_document(file.name, file.details, text))
    checked = replace(file, tokens=tokens.tokens, is_exact=tokens.is_exact)
    contents = {file.sha256: data}
    if file.text_sha256:
        contents[file.text_sha256] = raw
    preview = _verified(content, file.preview_sha256) if file.preview_sha256 else None
    if preview is not None and file.preview_sha256 and _is_preview(preview):
        contents[file.preview_sha256] = preview
    else:
        checked = replace(checked, preview_sha256=None)
    return CheckedFile(checked, contents)


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

"""Reader for plain text, source code, JSON and Markdown."""

from __future__ import annotations

from typing import Any

from readers.errors import ReaderError
from readers.text_decoding import MAX_CHARACTERS, count_lines, decode, truncate


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the text in UTF-8. Header: `lines`, `lines_read` of them, `is_cut`."""
    text = decode(data)
    if not text.strip():
        raise ReaderError("no_text")
    kept = truncate(text, options.get("characters", MAX_CHARACTERS))
    header = {"lines": count_lines(text), "lines_read": count_lines(kept), "is_cut": kept != text}
    return header, kept.encode()

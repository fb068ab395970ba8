"""Reader for plain text, source code, JSON and Markdown."""

from __future__ import annotations

from typing import Any

from readers.embedded_pictures import leave_out_pictures
from readers.errors import ReaderError
from readers.text_decoding import MAX_CHARACTERS, count_lines, decode, truncate


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the text in UTF-8.

    Header: `lines`, `lines_read` of them, `is_cut`, `encoding` if it was guessed,
    `left_out`.
    `options["encoding"]` overrides the detected encoding.
    """
    decoded = decode(data, options.get("encoding", ""))
    text, pictures = leave_out_pictures(decoded.text)
    if not text.strip():
        raise ReaderError("no_text")
    kept = truncate(text, options.get("characters", MAX_CHARACTERS))
    header: dict[str, Any] = {
        "lines": count_lines(text),
        "lines_read": count_lines(kept),
        "is_cut": kept != text,
    }
    header |= {"encoding": decoded.encoding, "left_out": {"pictures": pictures}}
    return header, kept.encode(errors="replace")

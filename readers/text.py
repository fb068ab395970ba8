"""Plain text, code, JSON and Markdown: the text as it is."""

from __future__ import annotations

from typing import Any

from readers.problems import Problem
from readers.texts import MOST_CHARACTERS, cut, decode, lines


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Header: `lines` in all, and `lines_read`, `is_cut`. Content: the text in UTF-8."""
    text = decode(data)
    if not text.strip():
        raise Problem("no_text")
    kept = cut(text, options.get("characters", MOST_CHARACTERS))
    header = {"lines": lines(text), "lines_read": lines(kept), "is_cut": kept != text}
    return header, kept.encode()

"""Sanitize the names of uploaded files for display.

A sanitized name is shown to users and sent to the model. It is never used as a path.
"""

from __future__ import annotations

import re
import unicodedata

_MAX_LENGTH = 120  # characters
_MAX_EXTENSION = 20
_DEFAULT_NAME = "file"
# Letters and marks without a visible glyph: with them, two names can look the same.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffe\uffff")
# Control characters, bidirectional and zero-width formatting, surrogates.
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs"})


def clean_name(raw: str) -> str:
    """Return `raw` without folders, line breaks and invisible characters; never empty.

    The name has at most 120 characters and keeps its extension.
    """
    parts = [part for part in re.split(r"[/\\]", raw) if part.strip()]
    name = " ".join(parts[-1].split()) if parts else ""
    name = "".join(character for character in name if _is_visible(character))
    name = " ".join(unicodedata.normalize("NFC", name).split())
    name = _shorten(name)
    return name if name.strip(".") else _DEFAULT_NAME


def extension(name: str) -> str:
    """Return the extension in lower case without the dot, or "" if there is none."""
    stem, _, suffix = name.rpartition(".")
    return suffix.strip().lower() if stem else ""


def _is_visible(character: str) -> bool:
    return (
        unicodedata.category(character) not in _DROPPED_CATEGORIES and character not in _INVISIBLE
    )


def _shorten(name: str) -> str:
    if len(name) <= _MAX_LENGTH:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem.strip() or len(suffix) > _MAX_EXTENSION:
        return name[:_MAX_LENGTH].rstrip()
    return stem[: _MAX_LENGTH - len(suffix) - 2].rstrip() + "…" + dot + suffix

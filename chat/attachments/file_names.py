"""The name a file is shown under, made from the one its browser gave.

The result is for people's eyes and for the model; it is never a path, here or anywhere.
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 120  # characters
_LONGEST_ENDING = 20
_NAMELESS = "file"
# Letters and marks that draw nothing: with them a name could look empty, or like another one.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffe\uffff")
# Control characters, marks that turn the direction of writing or have no width, surrogates.
_DROPPED = frozenset({"Cc", "Cf", "Cs"})


def clean_name(raw: str) -> str:
    """`raw` without folders, on one line, with nothing hidden in it; never empty.

    At most 120 characters; the ending stays.
    """
    parts = [part for part in re.split(r"[/\\]", raw) if part.strip()]
    name = " ".join(parts[-1].split()) if parts else ""
    name = "".join(character for character in name if _is_shown(character))
    name = " ".join(unicodedata.normalize("NFC", name).split())
    name = _shortened(name)
    return name if name.strip(".") else _NAMELESS


def ending(name: str) -> str:
    """What follows the last dot, in small letters, without the dot; "" if there is none."""
    stem, _, last = name.rpartition(".")
    return last.strip().lower() if stem else ""


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in _DROPPED and character not in _INVISIBLE


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    stem, dot, last = name.rpartition(".")
    if not stem.strip() or len(last) > _LONGEST_ENDING:
        return name[:_LONGEST].rstrip()
    return stem[: _LONGEST - len(last) - 2].rstrip() + "…" + dot + last

"""How a text falls into words, and how a word is found in it again. Pure.

Words are compared as the indexes compare them: without case and accents. Of Chinese, Japanese
and Korean any part of a text is found, however short. A vowel sign, a tone or a point belongs to
the letter before it: the indexes of both databases end words at such marks, each at others, so
that what they find of a word with `has_marks` must be looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

CJK = "\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
MARKS = "".join(
    character
    for character in map(chr, [*range(0x0300, 0x1E00), *range(0xA66F, 0xAC00)])
    if unicodedata.category(character)[0] == "M"
)
# Thai, Lao, Burmese and Khmer, which put no spaces between words
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"
MAX_TOKENS = 24  # words of one phrase

_LETTER = rf"[^\W_{CJK}]"
_TOKEN = re.compile(rf"(?:(?=\w)[{CJK}])+|{_LETTER}(?:{_LETTER}|[{MARKS}])*")
_IS_CJK = re.compile(rf"[{CJK}]")
# Alphabets with marks come after these; a PostgreSQL takes no power and no fraction for a word.
_HAS_MARKS = re.compile(rf"[^\0-\u058f\u1e00-\u1fff{CJK}]|[²³¹¼½¾{MARKS}]")
_FIRST_WITH_MARKS = "\u0590"
_TAKEN_APART = {
    unicodedata.normalize("NFC", letter): letter
    for letter in map(chr, range(0x0900, 0x0F00))
    if len(unicodedata.normalize("NFC", letter)) > 1
}


class _Folded(dict[int, str]):
    """One character for one character, so that places in the text stay what they are."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        base = unicodedata.normalize("NFD", character)[0]
        lowered = (base if base.isascii() else character).lower()
        if len(lowered) == 1:
            character = lowered
        self[code] = character
        return character


_folded = _Folded({ord("ς"): "σ"})


def fold(text: str) -> str:
    """`text` without case, and without accents on Latin letters; of the same length."""
    return text.lower() if text.isascii() else text.translate(_folded)


def to_nfc(text: str) -> str:
    """The one way in which letters and their marks are written here."""
    return unicodedata.normalize("NFC", text)


def restore_composition_exclusions(text: str) -> str:
    """`text` with the letters that composing takes apart, as most keyboards write them."""
    for apart, letter in _TAKEN_APART.items():
        text = text.replace(apart, letter)
    return text


def ends_with_mark(text: str) -> bool:
    """Whether it ends with a mark where SQLite's index ends a word; it leaves accents out."""
    return text[-1] >= _FIRST_WITH_MARKS and text[-1] in MARKS


def is_cjk(token: str) -> bool:
    return _IS_CJK.match(token) is not None


def has_marks(token: str) -> bool:
    """Whether an index may know other words than this: it, or its alphabet, has marks."""
    return _HAS_MARKS.search(token) is not None


def tokenize(text: str) -> tuple[str, ...]:
    found = _TOKEN.findall(fold(to_nfc(text)))
    return tuple(found[:MAX_TOKENS])


def phrase_pattern(words: Sequence[str], is_prefix: bool) -> str:
    """Words between anything that is no word; a CJK character ends a word beside it."""
    parts: list[str] = []
    for place, token in enumerate(words):
        if place:
            is_close = is_cjk(token) or is_cjk(words[place - 1])
            parts.append(_end(words[place - 1]) + (r"[\W_]*" if is_close else r"[\W_]+"))
        parts.append(r"[\W_]*".join(token) if is_cjk(token) else re.escape(token))
        if not place:  # looked at last, so that the search is for the word
            parts.append(_begin(token, parts[0]))
    last = words[-1]
    if is_cjk(last):
        return "".join(parts)
    if is_prefix or re.search(rf"[{UNSPACED}]", last[-1]):
        return "".join(parts) + (rf"[{MARKS}]*" if has_marks(last) else "")  # no letter is cut
    return "".join(parts) + rf"(?!{_LETTER})" + _end(last)


def _begin(token: str, written: str) -> str:
    if is_cjk(token) or re.match(rf"[{UNSPACED}]", token):
        return ""
    return rf"(?<!{_LETTER}{written})" + (rf"(?<![{MARKS}]{written})" if has_marks(token) else "")


def _end(token: str) -> str:
    return rf"(?![{MARKS}])" if has_marks(token) else ""

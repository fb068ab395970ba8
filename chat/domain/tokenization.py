"""Tokenization of text for search, and patterns that find tokens in a text. Pure.

Words are compared like in the search indexes, without case and accents. Chinese, Japanese and
Korean text matches as substrings. A combining mark (vowel sign, tone, point) belongs to the letter
before it. The indexes of SQLite and PostgreSQL end words at different marks, so their results for
words with `has_marks` must be checked against the text.
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
# Thai, Lao, Burmese and Khmer, which are written without spaces between words
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"
MAX_TOKENS = 24  # words of one phrase

_LETTER = rf"[^\W_{CJK}]"
_TOKEN = re.compile(rf"(?:(?=\w)[{CJK}])+|{_LETTER}(?:{_LETTER}|[{MARKS}])*")
_IS_CJK = re.compile(rf"[{CJK}]")
# Scripts with marks come after U+058F; PostgreSQL does not index superscripts and fractions.
_HAS_MARKS = re.compile(rf"[^\0-\u058f\u1e00-\u1fff{CJK}]|[²³¹¼½¾{MARKS}]")
_FIRST_WITH_MARKS = "\u0590"
_COMPOSITION_EXCLUSIONS = {
    unicodedata.normalize("NFC", letter): letter
    for letter in map(chr, range(0x0900, 0x0F00))
    if len(unicodedata.normalize("NFC", letter)) > 1
}


class _Folded(dict[int, str]):
    """A translation table that keeps the length, so that positions in the text stay valid."""

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
    """Return `text` in lower case and without accents on Latin letters, with the same length."""
    return text.lower() if text.isascii() else text.translate(_folded)


def to_nfc(text: str) -> str:
    """Return `text` in Unicode normalization form C."""
    return unicodedata.normalize("NFC", text)


def restore_composition_exclusions(text: str) -> str:
    """Return an NFC `text` with precomposed letters that NFC decomposes.

    Keyboards enter these letters (Unicode's composition exclusions) in their precomposed form.
    """
    for decomposed, letter in _COMPOSITION_EXCLUSIONS.items():
        text = text.replace(decomposed, letter)
    return text


def ends_with_mark(text: str) -> bool:
    """Return whether SQLite's index ends a word at the last character: a mark, not an accent."""
    return text[-1] >= _FIRST_WITH_MARKS and text[-1] in MARKS


def is_cjk(token: str) -> bool:
    return _IS_CJK.match(token) is not None


def has_marks(token: str) -> bool:
    """Return whether an index may split the token differently, because its script has marks."""
    return _HAS_MARKS.search(token) is not None


def tokenize(text: str) -> tuple[str, ...]:
    """Return the first `MAX_TOKENS` words of `text`, folded."""
    found = _TOKEN.findall(fold(to_nfc(text)))
    return tuple(found[:MAX_TOKENS])


def phrase_pattern(words: Sequence[str], is_prefix: bool) -> str:
    """Return a pattern for consecutive words, separated by any characters outside words.

    A CJK character also separates words. If `is_prefix`, the last word may continue.
    """
    parts: list[str] = []
    for place, token in enumerate(words):
        if place:
            is_close = is_cjk(token) or is_cjk(words[place - 1])
            parts.append(_end(words[place - 1]) + (r"[\W_]*" if is_close else r"[\W_]+"))
        parts.append(r"[\W_]*".join(token) if is_cjk(token) else re.escape(token))
        if not place:  # after the word, so that the search can start with a literal
            parts.append(_begin(token, parts[0]))
    last = words[-1]
    if is_cjk(last):
        return "".join(parts)
    if is_prefix or re.search(rf"[{UNSPACED}]", last[-1]):
        # Marks belong to the last letter, so the match includes them.
        return "".join(parts) + (rf"[{MARKS}]*" if has_marks(last) else "")
    return "".join(parts) + rf"(?!{_LETTER})" + _end(last)


def _begin(token: str, written: str) -> str:
    if is_cjk(token) or re.match(rf"[{UNSPACED}]", token):
        return ""
    return rf"(?<!{_LETTER}{written})" + (rf"(?<![{MARKS}]{written})" if has_marks(token) else "")


def _end(token: str) -> str:
    return rf"(?![{MARKS}])" if has_marks(token) else ""

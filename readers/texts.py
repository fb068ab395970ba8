"""Bytes to text when nobody says how they were written, and text cut to a length."""

from __future__ import annotations

import codecs

from readers.problems import Problem

MOST_CHARACTERS = 2_000_000

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = frozenset(
    "äöüßÄÖÜéèêëÉÈÊàâáãåÀÂÁÅçÇîïíìÎÍôóòõøÔÓØûùúÛÚÿñÑœŒæÆ€£§°²³µ©®·×½«»‹›„“”‘’‚–—…•¿¡ºª\xa0"
)
_MOST_WESTERN = 0.35  # of all characters that are no space
_SAMPLE = 65_536  # bytes
# Without a mark these fit almost any bytes.
_NEVER_GUESSED = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"]


def decode(data: bytes) -> str:
    """The text of `data`, lines ending in "\\n", without NUL characters.

    Raises Problem "unreadable" when it is no text.
    """
    text = _decode(data)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def cut(text: str, characters: int) -> str:
    """At most so many characters of `text`, whole lines if there are any."""
    if len(text) <= characters:
        return text
    beginning = text[:characters]
    return beginning[: beginning.rfind("\n") + 1] or beginning


def lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n")) if text else 0


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                return _broken(data, encoding, error)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_mostly_utf8(data):
            return _broken(data, "utf-8", error)
    if _is_western(data):
        return data.decode("cp1252")
    return data.decode(_guessed(data), "replace")


def _broken(data: bytes, encoding: str, error: UnicodeDecodeError) -> str:
    """A text with a few bad bytes is still a text; a file that merely begins like one is not."""
    text = data.decode(encoding, "replace")
    if text.count("\N{REPLACEMENT CHARACTER}") > max(2, len(text) // 100):
        raise Problem("unreadable") from error
    return text


def _is_mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    bad = text.count("\N{REPLACEMENT CHARACTER}")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    return good > 10 * bad


def _is_western(data: bytes) -> bool:
    """Whether it reads well in Windows' western encoding; for few words guessing goes wrong."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    sample = "".join(text[:_SAMPLE].split())
    others = [character for character in sample if not character.isascii()]
    return len(others) <= _MOST_WESTERN * len(sample) and _WESTERN.issuperset(others)


def _guessed(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:_SAMPLE]
    if len(data) > _SAMPLE:  # whole lines: the cut may fall into a character
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    guess = from_bytes(sample, cp_exclusion=_NEVER_GUESSED).best()
    if guess is None:
        raise Problem("unreadable")
    return guess.encoding

"""Detect the encoding of text and truncate it at line ends."""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

from readers.encoding_guess import guess_encoding
from readers.errors import ReaderError

MAX_CHARACTERS = 2_000_000

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, as UTF-16's mark is a prefix of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# A declaration in the file: XML, HTML, CSS, and a comment for Python, Emacs or Vim.
_DECLARATION = re.compile(
    rb"""(?:<\?xml[^>]{0,80}\sencoding\s*=|<meta[^>]{0,200}\scharset\s*=|\A@charset"""
    rb"""|\A(?:[^\n]*\n)?[ \t]*[#%;/*-][^\n]{0,80}coding[:=])[\s"']*([A-Za-z][\w.:-]{1,30})""",
    re.IGNORECASE,
)
_DECLARED = re.compile(r"(cp|iso8859|iso2022|koi8|mac|gb|big5|euc|shift|tis)[\w-]*")
_DECLARATION_BYTES = 1_024
# What the names mean in practice: browsers and spreadsheets take them for their supersets.
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "tis-620": "cp874",
}
_ISO_2022_JP = re.compile(rb"\x1b\$[@B][!-~]{2}")
_NUL_RUNS = re.compile("\0+")
_SAMPLE_BYTES = 65_536
_MIN_PLAUSIBLE = 0.97  # of the characters of UTF-16 without a mark
_TEXT_CONTROLS = "\b\t\n\v\f\r\x1b\0"


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Text with "\\n" line ends; a replacement character replaces NUL characters in a row.

    `encoding` is the name of its encoding if that is a guess, else "".
    """

    text: str
    encoding: str = ""


def decode(data: bytes, encoding: str = "") -> DecodedText:
    """Decode `data`, in `encoding` if it is given.

    Raises ReaderError "unreadable" if `data` is not text.
    """
    text, guessed = (data.decode(encoding, "replace"), encoding) if encoding else _decode(data)
    text, runs = _NUL_RUNS.subn("\N{REPLACEMENT CHARACTER}", text)
    if 4 * runs > len(text):  # binary data
        raise ReaderError("unreadable")
    return DecodedText(text.replace("\r\n", "\n").replace("\r", "\n"), guessed)


def truncate(text: str, characters: int) -> str:
    """Return at most `characters` of `text`, cut at a line end if there is one."""
    if len(text) <= characters:
        return text
    beginning = text[:characters]
    return beginning[: beginning.rfind("\n") + 1] or beginning


def count_lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n")) if text else 0


def _decode(data: bytes) -> tuple[str, str]:
    """Return the text and, if it is a guess, the encoding."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), ""
            except UnicodeDecodeError as error:
                return _decode_damaged(data, encoding, error), ""
    if utf16 := _utf16_without_mark(data):
        return data.decode(utf16, "replace"), utf16
    try:
        return data.decode("iso2022_jp" if _ISO_2022_JP.search(data) else "utf-8"), ""
    except UnicodeDecodeError as error:
        if _is_mostly_utf8(data):
            return _decode_damaged(data, "utf-8", error), ""
    if (text := _decode_as_declared(data)) is not None:
        return text, ""
    guess = guess_encoding(data)
    if guess is None:
        raise ReaderError("unreadable")
    return data.decode(guess, "replace"), guess


def _decode_as_declared(data: bytes) -> str | None:
    """Return the text in the encoding that the file declares, if it is right."""
    match = _DECLARATION.search(data[:_DECLARATION_BYTES])
    if match is None:
        return None
    try:
        name = codecs.lookup(match[1].decode()).name
        return data.decode(_SUPERSETS.get(name, name)) if _DECLARED.fullmatch(name) else None
    except (LookupError, UnicodeError):  # unknown or wrong
        return None


def _utf16_without_mark(data: bytes) -> str | None:
    """Return "utf-16-le" or "utf-16-be" if `data` is text in it.

    One half of each ASCII character is NUL, always the same half. Other text holds few NUL bytes.
    """
    sample = data[:_SAMPLE_BYTES]
    nulls = sample[0::2].count(0), sample[1::2].count(0)
    if max(nulls) <= 4 * min(nulls) or 200 * max(nulls) < len(sample):
        return None
    if 4 * max(nulls) < len(sample) and _is_utf8(data):
        return None
    encoding = "utf-16-be" if nulls[0] > nulls[1] else "utf-16-le"
    text = sample.decode(encoding, "replace")
    plausible = sum(
        unicodedata.category(character)[0] != "C" or character in _TEXT_CONTROLS
        for character in text
    )
    return encoding if plausible >= _MIN_PLAUSIBLE * len(text) else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_damaged(data: bytes, encoding: str, error: UnicodeDecodeError) -> str:
    """Return the text with bad bytes replaced. Raises ReaderError if there are too many of them."""
    text = data.decode(encoding, "replace")
    if text.count("\N{REPLACEMENT CHARACTER}") > max(2, len(text) // 100):
        raise ReaderError("unreadable") from error
    return text


def _is_mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    bad = text.count("\N{REPLACEMENT CHARACTER}")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    return good > 10 * bad

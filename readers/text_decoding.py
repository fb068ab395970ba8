"""Detect the encoding of text and truncate it at line ends."""

from __future__ import annotations

import codecs

from readers.errors import ReaderError

MAX_CHARACTERS = 2_000_000

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, as UTF-16's mark is a prefix of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = frozenset(
    "äöüßÄÖÜéèêëÉÈÊàâáãåÀÂÁÅçÇîïíìÎÍôóòõøÔÓØûùúÛÚÿñÑœŒæÆ€£§°²³µ©®·×½«»‹›„“”‘’‚–—…•¿¡ºª\xa0"
)
_MAX_NON_ASCII = 0.35  # of all characters but whitespace
_SAMPLE_BYTES = 65_536
# Almost any bytes decode in these encodings, so they are accepted with a byte order mark only.
_NEVER_GUESSED = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"]


def decode(data: bytes) -> str:
    """Return the text of `data` with "\\n" line ends and NUL characters replaced.

    Raises ReaderError "unreadable" if `data` is not text.
    """
    text = _decode(data)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def truncate(text: str, characters: int) -> str:
    """Return at most `characters` of `text`, cut at a line end if there is one."""
    if len(text) <= characters:
        return text
    beginning = text[:characters]
    return beginning[: beginning.rfind("\n") + 1] or beginning


def count_lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n")) if text else 0


def _decode(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                return _decode_damaged(data, encoding, error)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_mostly_utf8(data):
            return _decode_damaged(data, "utf-8", error)
    if _is_western(data):
        return data.decode("cp1252")
    return data.decode(_guess_encoding(data), "replace")


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


def _is_western(data: bytes) -> bool:
    """Return whether `data` is plausible as cp1252; detection is unreliable on short texts."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    sample = "".join(text[:_SAMPLE_BYTES].split())
    non_ascii = [character for character in sample if not character.isascii()]
    return len(non_ascii) <= _MAX_NON_ASCII * len(sample) and _WESTERN.issuperset(non_ascii)


def _guess_encoding(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:_SAMPLE_BYTES]
    if len(data) > _SAMPLE_BYTES:  # cut at a line end, not inside a multi-byte character
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    guess = from_bytes(sample, cp_exclusion=_NEVER_GUESSED).best()
    if guess is None:
        raise ReaderError("unreadable")
    return guess.encoding

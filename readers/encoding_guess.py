"""Guess the encoding of text that is neither Unicode nor declares its encoding.

chardet's language models rank the candidates. On a table with a few words among numbers they see
too little text, so each candidate is also weighed by how often it is used and by how plausible the
decoded characters are beside each other: no word changes its script or its case in the middle.
"""

from __future__ import annotations

import math
import re
import unicodedata

# Encodings with a plausible source, and how common files in them are relative to each other.
CANDIDATES = {
    "cp1252": 1.5,
    "cp1251": 1.3,
    **dict.fromkeys(("cp1250", "gb18030", "cp932", "big5hkscs", "cp949"), 1.0),
    **dict.fromkeys(("cp1254", "cp1255"), 1.0),
    **dict.fromkeys(("cp1253", "cp1257"), 0.8),
    "euc_jis_2004": 0.8,
    "cp874": 0.4,
    **dict.fromkeys(("cp866", "cp852", "cp850"), 0.5),
    **dict.fromkeys(("cp437", "iso8859-2", "iso8859-15", "mac-roman"), 0.4),
    **dict.fromkeys(("koi8-r", "koi8-u"), 0.3),
    **dict.fromkeys(("cp1256", "mac-cyrillic"), 0.6),
    **dict.fromkeys(("iso8859-5", "cp1258", "cp857", "cp737", "cp862"), 0.2),
    **dict.fromkeys(("mac-latin2", "mac-greek", "mac-turkish", "cp720"), 0.1),
}
_MIN_CONFIDENCE = 0.0005
_SAMPLE_BYTES = 65_536
_WEIGHED_CHARACTERS = 8_192
_PENALTY_WEIGHT = 4.0
_MAX_PENALTY = 0.6  # for each non-ASCII character; more is no text

_WITHOUT_KANA = {"gb18030", "big5hkscs", "cp949"}  # they contain kana, but no Japanese text
_KANA = re.compile("[\u3041-\u30fa]")
_CHINESE = re.compile("[\u4e00-\u9fff]")
# The first bytes of the common characters, which are the first level of national character sets.
_FIRST_LEVELS = {
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "big5hkscs": ("big5", 0xA4, 0xC6),
    "cp932": ("euc_jp", 0xB0, 0xCF),
    "euc_jis_2004": ("euc_jp", 0xB0, 0xCF),
}
_LETTERS = "aAlLiIcCjJgGhrtmzkwo"
# Patterns over the classes of `_Classes`, each matched with overlaps, and their penalties.
_PENALTIES = tuple(
    (re.compile(f"(?={pattern})"), penalty)
    for pattern, penalty in (
        ("x", 3.0),
        (f"[{_LETTERS}]b|b[{_LETTERS}]", 2.0),  # a box-drawing character inside a word
        (f"[{_LETTERS}][sq][{_LETTERS}]", 2.0),  # a symbol inside a word
        (f"[{_LETTERS}]s|s[{_LETTERS}]", 0.7),
        ("s", 0.2),
        ("[iI]", 0.5),
        ("j", 0.2),
        ("J", 1.0),
        ("[ sq]m", 1.5),  # a combining mark without its letter
        ("[aAlLiI][cCjJgGhrt]|[cCjJgGhrt][aAlLiI]", 2.0),  # two alphabets in one word
        ("[cCjJ][gGhrt]|[gG][cCjJhrt]|[hrt][cCjJgG]|h[rt]|r[ht]|t[hr]", 2.0),
        ("[ali][LI]|[li]A|[cj][CJ]|gG", 1.5),  # a capital after a small letter
        ("[AL]L[al]", 1.0),
        ("[lLiI]{3}", 1.0),
        ("[ali][zo]|[zo][ali]", 0.5),
        ("A[zo]|[zo]A", 0.3),
        ("oz|zo", 0.7),
        ("[kw]o|o[kw]", 2.0),
        ("[aAlL]w|w[aAlL]", 1.0),
    )
)
# The same for the text itself.
_TEXT_PENALTIES = (
    # One letter three times, but not in the scripts of East Asia.
    (re.compile(r"([^\W\d_\u2e80-\U0010ffff])\1\1(?<=[^\x00-\x7f])"), 2.0),
    (re.compile(r"([\u2500-\u256c])\1"), -1.0),  # a line
    (re.compile(r"(?<!\w)[„‚“‘†‡…•™][а-яёα-ω]"), 1.5),  # a capital of a Mac encoding
    (re.compile("¤"), 1.0),  # where ISO 8859-15 has the euro
    (re.compile(r"\b[ъьыЪЬЫ]"), 1.0),  # no word begins with them
    (re.compile(r"\b[бвгджзйклмнпрстфхцчшщъь]{4,}\b"), 3.0),  # no vowel
    (re.compile(r"[ךםןףץ](?=[א-ת])"), 1.0),  # a final letter inside a word
)


def guess_encoding(data: bytes) -> str | None:
    """Return the name of the most plausible encoding; None if `data` is no text in any of them."""
    import chardet

    sample = _words(data)
    confidences = {
        result["encoding"]: result["confidence"]
        for result in chardet.detect_all(
            sample,
            ignore_threshold=True,
            compat_names=False,
            include_encodings=CANDIDATES,
        )
    }
    if _is_ascii_with_symbols(sample):
        return "cp1252"
    best, best_score = None, -math.inf
    for encoding, weight in CANDIDATES.items():
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        penalty = _penalty(text) + _east_asian_penalty(text, encoding)
        confidence = max(confidences.get(encoding, 0.0), _MIN_CONFIDENCE)
        score = math.log(confidence * weight) - _PENALTY_WEIGHT * penalty
        if penalty <= _MAX_PENALTY and score > best_score:
            best, best_score = encoding, score
    if best is None and 10 * sum(byte > 127 for byte in data[:_SAMPLE_BYTES]) < len(data):
        return "cp1252"  # ASCII with stray bytes
    return best


def _words(data: bytes) -> bytes:
    """Return the lines with characters that are not ASCII, as the others say nothing."""
    lines, room = [], _SAMPLE_BYTES
    for line in re.split(rb"[\r\n]+", data):
        if not line.isascii():
            lines.append(line[:room])
            room -= len(line)
        if room <= 0:
            break
    return b"\n".join(lines)


def _east_asian_penalty(text: str, encoding: str) -> float:
    """Return the penalty for kana outside of Japanese and for rare Chinese characters."""
    text = text[:_WEIGHED_CHARACTERS]
    penalty = len(_KANA.findall(text)) / len(text) if encoding in _WITHOUT_KANA else 0.0
    if encoding in _FIRST_LEVELS and (characters := _CHINESE.findall(text)):
        codec, first, last = _FIRST_LEVELS[encoding]
        codes = (character.encode(codec, "ignore")[:1] for character in characters)
        common = sum(bool(code) and first <= code[0] <= last for code in codes)
        penalty += 0.7 * (1 - common / len(characters))
    return penalty


def _is_ascii_with_symbols(sample: bytes) -> bool:
    """Return whether the only other characters of a text in cp1252 are symbols outside of words."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    symbols = {character for character in text if not character.isascii()}
    return symbols <= _WESTERN_SYMBOLS and not _MISPLACED_SYMBOL.search(text)


def _penalty(text: str) -> float:
    """Return the average penalty of a non-ASCII character of `text`."""
    text = text[:_WEIGHED_CHARACTERS]
    non_ascii = sum(1 for character in text if not character.isascii())
    classes = " " + text.translate(_CLASSES)
    total = sum(
        penalty * sum(1 for _ in pattern.finditer(subject))
        for subject, rules in ((classes, _PENALTIES), (text, _TEXT_PENALTIES))
        for pattern, penalty in rules
    )
    return total / max(1, non_ascii)


class _Classes(dict[int, str]):
    """The class of each character by its code point, found when it is first needed.

    a, A: ASCII letters · l, L: other Latin, i, I: its rare letters · c, C: Cyrillic, j, J: its rare
    letters · g, G: Greek · h: Hebrew · r: Arabic · t: Thai · m: combining marks · z: Chinese
    characters · k: kana · w: half-width kana · o: Hangul · q: usual symbols, s: rare ones · b: box
    drawing · x: control characters and unassigned code points
    """

    def __missing__(self, code: int) -> str:
        self[code] = found = _class(chr(code))
        return found


def _class(character: str) -> str:
    if character.isascii():
        if character.isalpha():
            return "A" if character.isupper() else "a"
        return " " if character.isprintable() or character in "\t\n\r\f\x1b" else "x"
    if "\u2500" <= character <= "\u259f":
        return "b"
    category = unicodedata.category(character)
    if category in {"Cc", "Cn", "Co", "Cs"}:
        return "x"
    if category[0] == "M":
        return "m"
    if category[0] != "L" or character in "ªº":
        return " " if character in _IN_WORDS or category == "Nd" else "sq"[character in _USUAL]
    name = next((name for end, name in _SCRIPTS if character < end), "z")
    name = _RARE.get(character.lower(), name)
    return name.upper() if character.isupper() else name


_IN_WORDS = "’·–—‑\u00a0\u00ad"
_USUAL = "“”„‘‚«»‹›…€£§°²³®©™µ×½、。，：；！？（）「」『』・ー％￥～　¿¡•"
_WESTERN_SYMBOLS = frozenset("€£§°²³®©™µ×÷½¼¾±·¿¡ªº–—‘’“”„…•«»\u00a0")
# Between two letters, or beside another symbol: part of a word in another encoding.
_MISPLACED_SYMBOL = re.compile(r"[^\W\d_][^\x00-\x7f][^\W\d_]|[^\x00-\x7f\u00a0][^\x00-\x7f\u00a0]")
_RARE = dict.fromkeys("ðþħđƒ", "i") | dict.fromkeys("ђѓќљњћџўґ", "j")
# The first character behind each script, in order.
_SCRIPTS = (
    ("\u02b0", "l"),
    ("\u0370", "s"),
    ("\u0400", "g"),
    ("\u0530", "c"),
    ("\u0590", "s"),
    ("\u0600", "h"),
    ("\u0780", "r"),
    ("\u0e00", "s"),
    ("\u0e80", "t"),
    ("\u1100", "s"),
    ("\u1200", "o"),
    ("\u1e00", "s"),
    ("\u1f00", "l"),
    ("\u2000", "g"),
    ("\u2e80", "s"),
    ("\u3040", "z"),
    ("\u3100", "k"),
    ("\uac00", "z"),
    ("\ud7b0", "o"),
    ("\uff00", "z"),
    ("\uff61", "z"),
    ("\uffa0", "w"),
)
_CLASSES = _Classes()

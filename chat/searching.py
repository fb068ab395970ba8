"""What somebody typed into the search box, and how what was found is ranked and cut. Pure.

Words are compared as the indexes compare them: without case and accents. Of Chinese, Japanese
and Korean any part of a text is found, however short.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

CJK = "\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"

MAX_INPUT = 1000  # characters of what was typed
MAX_TERMS = 12
MAX_TOKENS = 24  # words of one phrase
SNIPPET = 160  # characters

_TOKEN = re.compile(rf"(?:(?=\w)[{CJK}])+|[^\W_{CJK}]+")
_IS_CJK = re.compile(rf"[{CJK}]")
_PIECE = re.compile(
    r'(?P<name>[a-z]+):(?P<value>"[^"]*"?|[^\s"]*)|"(?P<phrase>[^"]*)"?|[^\s"]+', re.I
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?-?")


@dataclass(frozen=True, slots=True)
class Term:
    """Words that follow one another; the last is a beginning when `is_prefix`.

    A run of Chinese, Japanese or Korean characters is one word here, of which any part is found.
    """

    tokens: tuple[str, ...]
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All of it must hold. `after` is inclusive, `before` is not."""

    terms: tuple[Term, ...] = ()
    models: tuple[str, ...] = ()  # parts of the model reference
    after: datetime | None = None
    before: datetime | None = None
    is_pinned: bool = False
    has_file: bool = False

    @property
    def is_empty(self) -> bool:
        return self == Query()

    @property
    def fits_titles(self) -> bool:
        """Whether a title may match: no model answered it, and it carries no file."""
        return not self.models and not self.has_file


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


def is_cjk(token: str) -> bool:
    return _IS_CJK.match(token) is not None


def tokens(text: str) -> tuple[str, ...]:
    found = _TOKEN.findall(fold(unicodedata.normalize("NFC", text)))
    return tuple(found[:MAX_TOKENS])


def parse(typed: str) -> Query:
    """What was typed as a query. Never raises: what is no prefix is searched for as words."""
    typed = typed[:MAX_INPUT].encode("utf-8", "replace").decode()
    terms: list[Term] = []
    models: list[str] = []
    after: datetime | None = None
    before: datetime | None = None
    is_pinned = has_file = False
    for piece in _PIECE.finditer(typed):
        name = (piece["name"] or "").lower()
        value = (piece["value"] or "").strip('"').strip()
        day = _date(value) if name in ("before", "after") else None
        if name in ("model", "before", "after", "is", "has") and not value:
            continue  # not typed yet
        if name == "model":
            models.append(value.casefold())
        elif name == "before" and day:
            before = min(before or day, day)
        elif name == "after" and day:
            after = max(after or day, day)
        elif name == "is" and value.lower() == "pinned":
            is_pinned = True
        elif name == "has" and value.lower() == "file":
            has_file = True
        elif len(terms) < MAX_TERMS:
            is_phrase = piece["phrase"] is not None
            found = tokens(piece["phrase"] if is_phrase else piece[0])
            if found:
                still_typing = piece.end() == len(typed) and not typed.endswith('"')
                is_prefix = (
                    still_typing and len(found[-1]) > 1 and not is_cjk(found[-1])
                )  # one letter is a whole word
                terms.append(Term(found, is_prefix))
    return Query(tuple(dict.fromkeys(terms)), tuple(models), after, before, is_pinned, has_file)


def _date(value: str) -> datetime | None:
    found = _DATE.fullmatch(value)
    if found is None:
        return None
    year, month, day = (int(part or 1) for part in found.groups())
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None


class Matcher:
    """Finds the terms of a query in a text, as the index would, and says how well they fit."""

    def __init__(self, query: Query) -> None:
        self._patterns = [re.compile(_pattern(term)) for term in query.terms]
        whole = Term(tuple(t for term in query.terms for t in term.tokens))
        self._in_order = re.compile(_pattern(whole)) if len(query.terms) > 1 else None

    def holds(self, text: str) -> bool:
        """Whether every term is in the text."""
        folded = fold(text)
        return all(pattern.search(folded) for pattern in self._patterns)

    def spans(self, text: str, most: int = 200) -> list[tuple[int, int, int]]:
        """Where terms are: start, end, which term; the first `most` of each, in order."""
        folded = fold(text)
        found = [
            (match.start(), match.end(), number)
            for number, pattern in enumerate(self._patterns)
            for match, _ in zip(pattern.finditer(folded), range(most), strict=False)
        ]
        return sorted(found)

    def score(self, text: str, age_days: float) -> float:
        """How well a text fits: how often the terms occur, side by side, and how fresh it is."""
        folded = fold(text)
        score = 0.0
        for pattern in self._patterns:
            count = sum(1 for _ in zip(pattern.finditer(folded), range(16), strict=False))
            score += math.log2(1 + count)
        score /= 1 + math.log10(1 + len(text) / 500)
        if self._in_order and self._in_order.search(folded):
            score += 1
        return score + 1 / (1 + max(age_days, 0) / 30)

    def snippet(self, text: str) -> tuple[tuple[str, bool], ...]:
        """About 160 characters around the best place on one line; whether each piece matches."""
        text = unicodedata.normalize("NFC", text)
        spans = self.spans(text)
        start = _best_start(text, spans)
        end = min(len(text), start + SNIPPET)
        if end < len(text) and (space := text.rfind(" ", start + SNIPPET // 2, end)) > 0:
            end = space
        pieces = list(_cut(text, start, end, spans))
        if start:
            pieces.insert(0, ("…", False))
        if end < len(text):
            pieces.append(("…", False))
        return _joined(pieces)


def _pattern(term: Term) -> str:
    """Words between anything that is no word; a CJK character ends a word beside it."""
    parts: list[str] = []
    for place, token in enumerate(term.tokens):
        if place:
            is_close = is_cjk(token) or is_cjk(term.tokens[place - 1])
            parts.append(r"[\W_]*" if is_close else r"[\W_]+")
        parts.append(r"[\W_]*".join(token) if is_cjk(token) else re.escape(token))
        if not place and not is_cjk(token):  # looked at last, so that the search is for the word
            parts.append(rf"(?<![^\W_{CJK}]{parts[0]})")
    is_open = term.is_prefix or is_cjk(term.tokens[-1])
    return "".join(parts) + ("" if is_open else rf"(?![^\W_{CJK}])")


def _best_start(text: str, spans: Sequence[tuple[int, int, int]]) -> int:
    """Where the snippet begins: the window with the most different terms, then the most places."""
    best, best_start, last = (0, 0), 0, 0
    for place, (start, _, _) in enumerate(spans):
        last = max(last, place)
        while last < len(spans) and spans[last][0] < start + SNIPPET * 2 // 3:
            last += 1
        inside = spans[place:last]
        worth = (len({term for _, _, term in inside}), min(len(inside), 6))
        if worth > best:
            best, best_start = worth, start
    begin = max(0, best_start - SNIPPET // 4)
    if begin and (space := text.find(" ", begin, best_start)) > 0:
        begin = space + 1
    return begin


def _cut(
    text: str, start: int, end: int, spans: Sequence[tuple[int, int, int]]
) -> Iterator[tuple[str, bool]]:
    here = start
    for begin, stop, _ in spans:
        begin, stop = max(begin, here), min(stop, end)
        if begin >= stop:
            continue
        yield text[here:begin], False
        yield text[begin:stop], True
        here = stop
    yield text[here:end], False


def _joined(pieces: Sequence[tuple[str, bool]]) -> tuple[tuple[str, bool], ...]:
    """The pieces on one line: no line ends, no runs of spaces, neighbours of a kind joined."""
    joined: list[tuple[str, bool]] = []
    for piece, is_match in pieces:
        line = re.sub(r"[\s\0-\x1f\x7f]+", " ", piece)
        if (joined and joined[-1][0].endswith(" ")) or not joined:
            line = line.lstrip(" ")
        if not line:
            continue
        if joined and joined[-1][1] == is_match:
            joined[-1] = (joined[-1][0] + line, is_match)
        else:
            joined.append((line, is_match))
    return tuple(joined)

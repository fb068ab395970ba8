"""Search queries: parsing, matching, ranking and snippets. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chat.domain.tokenization import fold, is_cjk, phrase_pattern, to_nfc, tokenize

MAX_INPUT = 1000  # characters
MAX_TERMS = 12
SNIPPET = 160  # characters

_PIECE = re.compile(
    r'(?P<name>[a-z]+):(?P<value>"[^"]*"?|[^\s"]*)|"(?P<phrase>[^"]*)"?|[^\s"]+', re.I
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?-?")


@dataclass(frozen=True, slots=True)
class Term:
    """A phrase of one or more words. If `is_prefix`, the last word may be incomplete.

    A run of Chinese, Japanese or Korean characters counts as one word and matches as a substring.
    """

    tokens: tuple[str, ...]
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. All conditions must match; `after` is inclusive, `before` is exclusive."""

    terms: tuple[Term, ...] = ()
    models: tuple[str, ...] = ()  # substrings of the model reference
    after: datetime | None = None
    before: datetime | None = None
    is_pinned: bool = False
    has_file: bool = False

    @property
    def is_empty(self) -> bool:
        return self == Query()

    @property
    def fits_titles(self) -> bool:
        """True if titles can match, which have no model and no file."""
        return not self.models and not self.has_file


def parse_query(typed: str) -> Query:
    """Return the query for the text of the search box. Unknown prefixes are searched as words."""
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
            continue  # incomplete input
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
            found = tokenize(piece["phrase"] if is_phrase else piece[0])
            if found:
                still_typing = piece.end() == len(typed) and not typed.endswith('"')
                # A single letter is searched as a whole word.
                is_prefix = still_typing and len(found[-1]) > 1 and not is_cjk(found[-1])
                terms.append(Term(found, is_prefix))
    return Query(tuple(dict.fromkeys(terms)), tuple(models), after, before, is_pinned, has_file)


def is_searchable(typed: str) -> bool:
    """Return whether the input contains a word, a number or a condition."""
    return not parse_query(typed).is_empty


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
    """Find the terms of a query in a text, with the same rules as the search index."""

    def __init__(self, query: Query) -> None:
        self._patterns = [
            re.compile(phrase_pattern(term.tokens, term.is_prefix)) for term in query.terms
        ]
        whole = [token for term in query.terms for token in term.tokens]
        is_one = len(query.terms) < 2
        self._in_order = None if is_one else re.compile(phrase_pattern(whole, is_prefix=False))

    def matches(self, text: str) -> bool:
        """Return whether the text contains every term."""
        folded = fold(to_nfc(text))
        return all(pattern.search(folded) for pattern in self._patterns)

    def spans(self, text: str, most: int = 200) -> list[tuple[int, int, int]]:
        """Return (start, end, term number) of matches in an NFC text, at most `most` per term."""
        folded = fold(text)
        found = [
            (match.start(), match.end(), number)
            for number, pattern in enumerate(self._patterns)
            for match, _ in zip(pattern.finditer(folded), range(most), strict=False)
        ]
        return sorted(found)

    def score(self, text: str, age_days: float) -> float:
        """Return the rank of a text from term frequency, proximity and age."""
        folded = fold(to_nfc(text))
        score = 0.0
        for pattern in self._patterns:
            count = sum(1 for _ in zip(pattern.finditer(folded), range(16), strict=False))
            score += math.log2(1 + count)
        score /= 1 + math.log10(1 + len(text) / 500)
        if self._in_order and self._in_order.search(folded):
            score += 1
        return score + 1 / (1 + max(age_days, 0) / 30)

    def snippet(self, text: str) -> tuple[tuple[str, bool], ...]:
        """Return about 160 characters around the best match as one line.

        Each piece comes with a flag that is True if it matches a term.
        """
        text = to_nfc(text)
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


def _best_start(text: str, spans: Sequence[tuple[int, int, int]]) -> int:
    """Return the start of the window with the most different terms, then the most matches."""
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
    """Join adjacent pieces with equal flags and collapse whitespace to single spaces."""
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

"""How a query is put to the index of each kind of database: the words and the marks of 0004."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chat.domain.search_query import Query, Term
from chat.domain.tokenization import (
    ends_with_mark,
    has_marks,
    is_cjk,
    restore_composition_exclusions,
)

MARK = "\ue000"
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Marks:
    """What a row must carry: one mark of each group. Nobody can type a mark."""

    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def of_titles(cls, owner: str) -> Marks:
        return cls(((f"t{_hex(owner)}",),))

    @classmethod
    def of_messages(
        cls, owner: str, query: Query, models: Sequence[str], conversation_ids: Sequence[str]
    ) -> Marks:
        groups = [
            (f"m{_hex(owner)}",),
            tuple(f"c{id_}" for id_ in conversation_ids),
            tuple(f"a{_hex(model[:500])}" for model in models),
            ("f",) if query.has_file else (),
            tuple(_days(query.after, query.before)),
        ]
        return cls(tuple(group for group in groups if group))


def sqlite_match(query: Query, marks: Marks) -> str:
    """An FTS5 expression."""
    groups = ("(" + " OR ".join(f'"{MARK}{mark}"' for mark in any_) + ")" for any_ in marks.groups)
    return " AND ".join([*groups, *(_sqlite_term(term) for term in query.terms)])


def postgresql_words(query: Query, plain: Mapping[str, str]) -> str:
    """The words for `to_tsquery`; `plain` says what the index makes of those with marks."""
    terms = (_postgresql_term(term, plain) for term in query.terms)
    return " & ".join(term for term in terms if term)


def is_doubtful(term: Term, is_sqlite: bool) -> bool:
    """Whether an index may report false positives; see `_postgresql_term`."""
    is_in_pairs = any(
        is_cjk(token) and (len(token) > 2 or len(term.tokens) > 1) for token in term.tokens
    )
    return (is_in_pairs and not is_sqlite) or any(has_marks(token) for token in term.tokens)


def with_marks(query: Query) -> list[str]:
    """The words that an index may know otherwise than they were typed."""
    every = (token for term in query.terms for token in term.tokens)
    return [token for token in dict.fromkeys(every) if has_marks(token)]


def postgresql_marks(marks: Marks) -> str:
    """A tsquery as it is."""
    groups = ("(" + " | ".join(f"'{MARK}{mark}'" for mark in any_) + ")" for any_ in marks.groups)
    return " & ".join(groups)


def _hex(name: str) -> str:
    return name.encode().hex()


def _days(after: datetime | None, before: datetime | None) -> Iterator[str]:
    """Marks of years, months and days that make up the time between, without a rest."""
    if after is None and before is None:
        return
    here, end = max(after or EARLIEST, EARLIEST), min(before or LATEST, LATEST)
    if here >= end:
        yield "d"  # no row has it
    while here < end:
        next_year, next_month = datetime(here.year + 1, 1, 1, tzinfo=UTC), _next_month(here)
        if (here.month, here.day) == (1, 1) and next_year <= end:
            yield f"d{here:%Y}"
            here = next_year
        elif here.day == 1 and next_month <= end:
            yield f"d{here:%Y%m}"
            here = next_month
        else:
            yield f"d{here:%Y%m%d}"
            here += timedelta(days=1)


def _next_month(day: datetime) -> datetime:
    return datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)


def _sqlite_term(term: Term) -> str:
    words = " ".join(" ".join(token) if is_cjk(token) else token for token in term.tokens)
    ways = [
        f'"{way}"' + ("*" if term.is_prefix and not ends_with_mark(way) else "")
        for way in dict.fromkeys((words, restore_composition_exclusions(words)))
    ]
    return ways[0] if len(ways) == 1 else f"({' OR '.join(ways)})"


def _postgresql_term(term: Term, plain: Mapping[str, str]) -> str:
    """Neighbours of CJK characters are not held to their order: the pairs nearly say it all.

    Positions end at 16,383 in this index, and a phrase would be checked in every row of its words.
    """
    has_cjk = any(is_cjk(token) for token in term.tokens)
    parts: list[str] = []
    for token in term.tokens:
        words = _pairs(token) if is_cjk(token) else plain.get(token, token).split()
        parts += (f"'{word[:64]}'" for word in words)
    is_ended = plain.get(term.tokens[-1], "").endswith(" ")  # by a mark that ends words
    if parts and term.is_prefix and not is_ended:
        parts[-1] += ":*"
    return f"({(' & ' if has_cjk else ' <-> ').join(parts)})" if parts else ""


def _pairs(run: str) -> Iterable[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]

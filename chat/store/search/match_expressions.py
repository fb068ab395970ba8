"""Full-text expressions for both databases: words of the query, and filter tokens of the index.

Each indexed row contains filter tokens for its owner, conversation, day, model and attachments;
see migration 0004. They begin with a private-use character, which the query parser never emits.
"""

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

TOKEN_PREFIX = "\ue000"
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FilterTokens:
    """Filter tokens in conjunctive normal form: a row must contain one token of each group."""

    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def for_titles(cls, owner: str) -> FilterTokens:
        return cls(((f"t{_hex(owner)}",),))

    @classmethod
    def for_messages(
        cls, owner: str, query: Query, models: Sequence[str], conversation_ids: Sequence[str]
    ) -> FilterTokens:
        groups = [
            (f"m{_hex(owner)}",),
            tuple(f"c{id_}" for id_ in conversation_ids),
            tuple(f"a{_hex(model[:500])}" for model in models),
            ("f",) if query.has_file else (),
            tuple(_days(query.after, query.before)),
        ]
        return cls(tuple(group for group in groups if group))


def sqlite_match(query: Query, filters: FilterTokens) -> str:
    """Return an FTS5 MATCH expression."""
    groups = (_any_of(group, '"', " OR ") for group in filters.groups)
    return " AND ".join([*groups, *(_sqlite_term(term) for term in query.terms)])


def postgresql_filters(filters: FilterTokens) -> str:
    """Return a tsquery literal."""
    groups = (_any_of(group, "'", " | ") for group in filters.groups)
    return " & ".join(groups)


def postgresql_words(query: Query, normalized: Mapping[str, str]) -> str:
    """Return the words for `to_tsquery`.

    `normalized` maps words with combining marks to their form in the index.
    """
    terms = (_postgresql_term(term, normalized) for term in query.terms)
    return " & ".join(term for term in terms if term)


def may_match_falsely(term: Term, is_sqlite: bool) -> bool:
    """Return whether the index may report false positives for a term; see `_postgresql_term`."""
    is_split_into_pairs = any(
        is_cjk(token) and (len(token) > 2 or len(term.tokens) > 1) for token in term.tokens
    )
    if is_split_into_pairs and not is_sqlite:
        return True
    return any(has_marks(token) for token in term.tokens)


def words_with_marks(query: Query) -> list[str]:
    """Return the words with combining marks, which the index may store in another form."""
    tokens = (token for term in query.terms for token in term.tokens)
    return [token for token in dict.fromkeys(tokens) if has_marks(token)]


def _any_of(tokens: Sequence[str], quote: str, operator: str) -> str:
    return f"({operator.join(f'{quote}{TOKEN_PREFIX}{token}{quote}' for token in tokens)})"


def _hex(name: str) -> str:
    return name.encode().hex()


def _days(after: datetime | None, before: datetime | None) -> Iterator[str]:
    """Yield tokens of years, months and days that cover the range exactly."""
    if after is None and before is None:
        return
    day, end = max(after or EARLIEST, EARLIEST), min(before or LATEST, LATEST)
    if day >= end:
        yield "d"  # matches no row
    while day < end:
        next_year, next_month = datetime(day.year + 1, 1, 1, tzinfo=UTC), _next_month(day)
        if (day.month, day.day) == (1, 1) and next_year <= end:
            yield f"d{day:%Y}"
            day = next_year
        elif day.day == 1 and next_month <= end:
            yield f"d{day:%Y%m}"
            day = next_month
        else:
            yield f"d{day:%Y%m%d}"
            day += timedelta(days=1)


def _next_month(day: datetime) -> datetime:
    return datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)


def _sqlite_term(term: Term) -> str:
    words = " ".join(" ".join(token) if is_cjk(token) else token for token in term.tokens)
    phrases = [
        f'"{variant}"' + ("*" if term.is_prefix and not ends_with_mark(variant) else "")
        for variant in dict.fromkeys((words, restore_composition_exclusions(words)))
    ]
    return phrases[0] if len(phrases) == 1 else f"({' OR '.join(phrases)})"


def _postgresql_term(term: Term, normalized: Mapping[str, str]) -> str:
    """Return one term for `to_tsquery`: a phrase, or for CJK text a conjunction of pairs.

    CJK pairs are not matched as a phrase. A tsvector has no positions above 16,383, and a phrase
    is rechecked in every row that contains its words. `recheck` removes the false positives.
    """
    has_cjk = any(is_cjk(token) for token in term.tokens)
    parts: list[str] = []
    for token in term.tokens:
        words = _pairs(token) if is_cjk(token) else normalized.get(token, token).split()
        parts += (f"'{word[:64]}'" for word in words)
    # Some locales treat a combining mark as the end of a word.
    is_complete = normalized.get(term.tokens[-1], "").endswith(" ")
    if parts and term.is_prefix and not is_complete:
        parts[-1] += ":*"
    return f"({(' & ' if has_cjk else ' <-> ').join(parts)})" if parts else ""


def _pairs(run: str) -> Iterable[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]

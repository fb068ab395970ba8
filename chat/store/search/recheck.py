"""Rechecks the matches of an index that may report false positives against the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from chat.domain.search_query import Matcher, Query
from chat.store.search.match_expressions import may_match_falsely, words_with_marks

RANKED_CHARACTERS = 8000  # of each candidate that are loaded for ranking
INDEXED_CHARACTERS = 200_000  # of a text; see migration 0004
OVERFETCH = (1, 4, 16)  # times `limit`, tried while too few rows are left after the recheck

FindRows = Callable[[Connection, str, Query, int], Sequence[Row[Any]]]


def find_verified(
    connection: Connection, owner: str, query: Query, enough: int, find: FindRows, limit: int
) -> Sequence[Row[Any]]:
    """Return up to `limit` rows of `find` that match the query exactly.

    Fetches more candidates while there are fewer than `enough`, up to the last factor of
    `OVERFETCH`, which bounds the time of a search with many false positives.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    uncertain = tuple(term for term in query.terms if may_match_falsely(term, is_sqlite))
    if not uncertain:
        return find(connection, owner, query, limit)
    matcher = Matcher(Query(uncertain))
    verified: list[Row[Any]] = []
    for factor in OVERFETCH:
        rows = find(connection, owner, query, limit * factor)
        verified = [row for row in rows if _matches(connection, row, matcher)]
        if len(verified) >= min(enough, limit) or len(rows) < limit * factor:
            break
    return verified[:limit]


def snippet_source(connection: Connection, row: Row[Any], matcher: Matcher) -> str:
    """Return as much of a hit's text as its snippet needs."""
    beginning: str = row.beginning
    if _is_complete(row) or matcher.matches(beginning):
        return beginning
    return _load_text(connection, row)


def _matches(connection: Connection, row: Row[Any], matcher: Matcher) -> bool:
    if matcher.matches(row.beginning):
        return True
    return not _is_complete(row) and matcher.matches(_load_text(connection, row))


def _is_complete(row: Row[Any]) -> bool:
    """Return whether `beginning` is the complete text."""
    return row.message_id is None or len(row.beginning) < RANKED_CHARACTERS


def _load_text(connection: Connection, row: Row[Any]) -> str:
    statement = text(f"SELECT substr(text, 1, {INDEXED_CHARACTERS}) FROM messages WHERE id = :id")
    return str(connection.execute(statement, {"id": row.message_id}).scalar_one())


def normalize_words(connection: Connection, query: Query) -> dict[str, str]:
    """Return the indexed form of words with combining marks.

    Only PostgreSQL knows it, since it depends on the collation of its index function.
    """
    words = words_with_marks(query)
    statement = text("SELECT word, parley_plain(word) FROM unnest(CAST(:words AS text[])) word")
    return dict(connection.execute(statement, {"words": words}).all()) if words else {}

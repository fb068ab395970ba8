"""What an index finds that knows less than was asked for, held against the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from chat.domain.search_query import Matcher, Query
from chat.store.search.match_expressions import is_doubtful, with_marks

LOOKED_AT = 8000  # characters of each candidate that are ranked by
INDEXED = 200_000  # characters of a text; see migration 0004
MORE = (1, 4, 16)  # times as many candidates as are ranked, while too few of them hold

Find = Callable[[Connection, str, Query, int], Sequence[Row[Any]]]


def certain(
    connection: Connection, owner: str, query: Query, enough: int, find: Find, most: int
) -> Sequence[Row[Any]]:
    """Of what `find` finds what holds what was asked for: `enough` if there is, `most` at most.

    Of words whose letters are everywhere in another order only the newest are looked at, so that
    a search has an end.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    doubtful = tuple(term for term in query.terms if is_doubtful(term, is_sqlite))
    if not doubtful:
        return find(connection, owner, query, most)
    matcher = Matcher(Query(doubtful))
    found: list[Row[Any]] = []
    for more in MORE:
        rows = find(connection, owner, query, most * more)
        found = [row for row in rows if _holds(connection, row, matcher)]
        if len(found) >= min(enough, most) or len(rows) < most * more:
            break
    return found[:most]


def whole(connection: Connection, row: Row[Any], matcher: Matcher) -> str:
    """The text of a hit as far as it is needed for the snippet."""
    beginning: str = row.beginning
    return beginning if _is_all(row) or matcher.matches(beginning) else _read(connection, row)


def _holds(connection: Connection, row: Row[Any], matcher: Matcher) -> bool:
    if matcher.matches(row.beginning):
        return True
    return not _is_all(row) and matcher.matches(_read(connection, row))


def _is_all(row: Row[Any]) -> bool:
    return row.message_id is None or len(row.beginning) < LOOKED_AT


def _read(connection: Connection, row: Row[Any]) -> str:
    statement = text(f"SELECT substr(text, 1, {INDEXED}) FROM messages WHERE id = :id")
    return str(connection.execute(statement, {"id": row.message_id}).scalar_one())


def plain(connection: Connection, query: Query) -> dict[str, str]:
    """PostgreSQL: what its index makes of words with marks; it depends on the locale it names."""
    words = with_marks(query)
    statement = text("SELECT word, parley_plain(word) FROM unnest(CAST(:words AS text[])) word")
    return dict(connection.execute(statement, {"words": words}).all()) if words else {}

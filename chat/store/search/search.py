"""Full-text search over titles and messages.

The database finds the newest matches, which are ranked in Python. SQLite and PostgreSQL index the
same words and filter tokens (see migration 0004) but differ in their query language. Deleted
messages stay in the index and are filtered out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, text

from chat.domain.search_query import Matcher, Query
from chat.store.column_types import Moment
from chat.store.engine import read_transaction
from chat.store.search.hits import Hit, as_hit, rank_messages
from chat.store.search.match_expressions import (
    FilterTokens,
    postgresql_filters,
    postgresql_words,
    sqlite_match,
)
from chat.store.search.recheck import (
    RANKED_CHARACTERS,
    find_verified,
    normalize_words,
    snippet_source,
)

MAX_CANDIDATES = 300  # newest matching messages that are ranked
MAX_TITLES = 50
RECENT_ROWS = 1500  # rows that PostgreSQL filters one by one for a short prefix

# PostgreSQL: the best plan depends on how common a word is, so plans must not be reused.
PLANNER_SETTINGS = (
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true),"
    " set_config('jit', 'off', true)"
)


class SearchStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"

    def search(self, owner: str, query: Query, limit: int = 20, offset: int = 0) -> list[Hit]:
        """Return matching titles, then messages by rank, or by time if the query has no words."""
        if query.is_empty or limit < 1:
            return []
        matcher = Matcher(query)
        candidates = MAX_CANDIDATES * -(-(offset + limit) // MAX_CANDIDATES)
        with read_transaction(self._engine) as session:
            connection = session.connection()
            if not self._is_sqlite:
                connection.execute(text(PLANNER_SETTINGS))
            enough = max(MAX_CANDIDATES // 4, offset + limit)
            find = partial(find_verified, connection, owner, query, enough)
            titles = find(self._titles, max(MAX_TITLES, offset + limit))
            messages = find(self._messages, candidates)
            messages = rank_messages(messages, matcher) if query.terms else messages
            page = [*titles, *messages][offset : offset + limit]
            return [as_hit(row, matcher, snippet_source(connection, row, matcher)) for row in page]

    def _titles(
        self, connection: Connection, owner: str, query: Query, limit: int
    ) -> Sequence[Row[Any]]:
        """Find conversations by title, or pinned ones if the query has no other condition."""
        if not query.fits_titles or not (query.terms or query.is_pinned):
            return []
        values: dict[str, Any] = {"owner": owner, "limit": limit}
        where = [
            "c.owner = :owner",
            "c.deleted_at IS NULL",
            *_bounds("c.updated_at", query, values),
        ]
        if query.is_pinned:
            where.append("c.pinned_at IS NOT NULL")
        source = "conversations c"
        if query.terms:
            match = self._match(connection, query, FilterTokens.for_titles(owner), values)
            if _is_short(query) and not self._is_sqlite:
                titles = f"{source} JOIN search_rows r ON r.conversation_id = c.id"
                source = (
                    f"(SELECT c.*, r.words FROM {titles} WHERE {' AND '.join(where)}"
                    f" AND r.message_id IS NULL ORDER BY c.updated_at DESC LIMIT {RECENT_ROWS}) c"
                )
                where.append(match.replace("r.words", "c.words"))
            else:
                source = f"{self._source()} JOIN {source} ON c.id = r.conversation_id"
                where += ["r.message_id IS NULL", "r.owner = :owner", match]
        statement = (
            "SELECT c.id AS conversation_id, c.title, c.pinned_at, NULL AS message_id,"
            " NULL AS role, NULL AS model, c.title AS beginning, c.updated_at AS at"
            f" FROM {source} WHERE {' AND '.join(where)} ORDER BY c.updated_at DESC LIMIT :limit"
        )
        return _rows(connection, statement, values)

    def _messages(
        self, connection: Connection, owner: str, query: Query, limit: int
    ) -> Sequence[Row[Any]]:
        """Find the newest matching messages, by insertion order or, without words, by time."""
        if not query.terms and query.is_pinned and query.fits_titles:
            return []
        models = self._models(connection, query)
        pinned = self._pinned(connection, owner) if query.is_pinned else []
        if (query.models and not models) or (query.is_pinned and not pinned):
            return []
        values: dict[str, Any] = {"owner": owner}
        where = ["r.owner = :owner", "r.message_id IS NOT NULL", *_bounds("r.at", query, values)]
        if not (query.terms or query.has_file or pinned):
            if models:
                where.append("m.model IN :models")
                values["models"] = models
            return self._joined(connection, "search_rows r", where, "r.at", limit, values)
        if query.has_file:
            where.append("r.has_file")
        if pinned and not self._is_sqlite:
            where.append("r.conversation_id IN :pinned")
            values["pinned"], pinned = pinned, []
        filters = FilterTokens.for_messages(owner, query, models, pinned)
        match = self._match(connection, query, filters, values)
        if self._is_sqlite:
            where.append(match)
            order = "search_words.rowid"
            found = self._joined(connection, self._source(), where, order, limit, values)
        else:
            recent = None
            if _is_short(query):
                recent = self._recent_matches(connection, where, match, limit, values)
            found = recent or self._index_first(connection, [*where, match], limit, values)
        return found if query.terms else sorted(found, key=lambda row: row.at, reverse=True)

    def _joined(
        self,
        connection: Connection,
        source: str,
        where: Sequence[str],
        order: str,
        limit: int,
        values: dict[str, Any],
    ) -> Sequence[Row[Any]]:
        join = "CROSS JOIN" if self._is_sqlite else "JOIN"  # SQLite keeps the order of CROSS JOIN
        live = ["m.deleted_at IS NULL", "c.deleted_at IS NULL"]
        statement = (
            "SELECT r.conversation_id, c.title, c.pinned_at, m.id AS message_id, m.role, m.model,"
            " substr(m.text, 1, :characters) AS beginning, m.created_at AS at"
            f" FROM {source} {join} messages m ON m.id = r.message_id"
            f" {join} conversations c ON c.id = r.conversation_id"
            f" WHERE {' AND '.join([*where, *live])} ORDER BY {order} DESC LIMIT :limit"
        )
        return _rows(
            connection, statement, {**values, "limit": limit, "characters": RANKED_CHARACTERS}
        )

    def _recent_matches(
        self,
        connection: Connection,
        where: Sequence[str],
        match: str,
        limit: int,
        values: dict[str, Any],
    ) -> Sequence[Row[Any]] | None:
        """PostgreSQL: filter the newest rows; None if there may be more matches among older rows.

        The GIN index expands a prefix to all words that begin with it, which is slow for short
        prefixes.
        """
        statement = (
            f"SELECT r.id, {match} AS is_match FROM (SELECT r.id, r.words FROM search_rows r"
            f" WHERE {' AND '.join(where)} ORDER BY r.at DESC LIMIT {RECENT_ROWS}) r"
        )
        rows = _rows(connection, statement, values)
        ids = sorted((row.id for row in rows if row.is_match), reverse=True)[:limit]
        if len(rows) == RECENT_ROWS and len(ids) < limit:
            return None
        return self._by_row_ids(connection, ids)

    def _index_first(
        self, connection: Connection, where: Sequence[str], limit: int, values: dict[str, Any]
    ) -> Sequence[Row[Any]]:
        """PostgreSQL: find the newest index rows, then join their messages.

        In one statement, PostgreSQL would read every message that contains a common word.
        """
        found: list[Row[Any]] = []
        batch, bound = limit, ""
        while len(found) < limit:
            statement = (
                f"SELECT r.id FROM search_rows r WHERE {' AND '.join(where)}{bound}"
                " ORDER BY r.id DESC LIMIT :batch"
            )
            ids = [row.id for row in _rows(connection, statement, {**values, "batch": batch})]
            found += self._by_row_ids(connection, ids)
            if len(ids) < batch:
                break
            values["below"], bound = ids[-1], " AND r.id < :below"
            batch *= 4  # many messages of the last batch were deleted
        return found[:limit]

    def _by_row_ids(self, connection: Connection, ids: Sequence[int]) -> Sequence[Row[Any]]:
        if not ids:
            return []
        values = {"ids": list(ids)}
        return self._joined(connection, "search_rows r", ["r.id IN :ids"], "r.id", len(ids), values)

    def _pinned(self, connection: Connection, owner: str) -> list[str]:
        statement = (
            "SELECT id FROM conversations WHERE owner = :owner AND deleted_at IS NULL"
            " AND pinned_at IS NOT NULL ORDER BY pinned_at DESC LIMIT 1000"
        )
        return list(connection.execute(text(statement), {"owner": owner}).scalars())

    def _models(self, connection: Connection, query: Query) -> list[str]:
        """Return the model references that contain every requested part."""
        if not query.models:
            return []
        references = connection.execute(text("SELECT model FROM search_models")).scalars()
        return [
            reference
            for reference in references
            if all(part in reference.casefold() for part in query.models)
        ]

    def _source(self) -> str:
        if self._is_sqlite:
            return "search_words CROSS JOIN search_rows r ON r.id = search_words.rowid"
        return "search_rows r"

    def _match(
        self, connection: Connection, query: Query, filters: FilterTokens, values: dict[str, Any]
    ) -> str:
        """Return the SQL condition on the index; its parameters are added to `values`."""
        if self._is_sqlite:
            values["match"] = sqlite_match(query, filters)
            return "search_words MATCH :match"
        values["filters"] = postgresql_filters(filters)
        if not query.terms:
            return "r.words @@ CAST(:filters AS tsquery)"
        values["match"] = postgresql_words(query, normalize_words(connection, query))
        return "r.words @@ (CAST(:filters AS tsquery) && to_tsquery('simple', :match))"


def _rows(connection: Connection, statement: str, values: dict[str, Any]) -> Sequence[Row[Any]]:
    clause = text(statement)
    for name, value in values.items():
        if isinstance(value, list):
            clause = clause.bindparams(bindparam(name, expanding=True))
        if isinstance(value, datetime):
            clause = clause.bindparams(bindparam(name, type_=Moment))
    if "AS at" in statement:
        return connection.execute(clause.columns(at=Moment, pinned_at=Moment), values).all()
    return connection.execute(clause, values).all()


def _bounds(column: str, query: Query, values: dict[str, Any]) -> Iterable[str]:
    if query.after:
        values["after"] = query.after
        yield f"{column} >= :after"
    if query.before:
        values["before"] = query.before
        yield f"{column} < :before"


def _is_short(query: Query) -> bool:
    return any(term.is_prefix and len(term.tokens[-1]) <= 3 for term in query.terms)

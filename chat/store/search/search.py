"""Search over titles and messages: the database finds the newest that match, Python ranks them.

Both kinds of database keep the same marks in their index (see migration 0004); only the way a
query is put differs. Deleted messages stay in the index and are left out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, text

from chat.domain.message import Role
from chat.domain.search_query import Matcher, Query
from chat.store.engine import read_transaction
from chat.store.schema import Moment, now
from chat.store.search.match_expressions import (
    Marks,
    postgresql_marks,
    postgresql_words,
    sqlite_match,
)
from chat.store.search.recheck import LOOKED_AT, certain, plain, whole

CANDIDATES = 300  # of the newest that match so many are ranked
TITLES = 50
NEAR = 1500  # rows that are looked at one by one
PER_CONVERSATION = 3  # the others come after everything else

# PostgreSQL: how best to look depends on how common a word is, so no plan serves for all of them.
PLAN_EACH = (
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true),"
    " set_config('jit', 'off', true)"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One message, or one title (`message_id` is None). `snippet`: pieces; whether each matches."""

    conversation_id: str
    title: str
    message_id: str | None
    role: Role | None
    model: str | None
    snippet: tuple[tuple[str, bool], ...]
    at: datetime
    is_pinned: bool


class SearchStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"

    def search(self, owner: str, query: Query, limit: int = 20, offset: int = 0) -> list[Hit]:
        """What matches, titles first, then the best messages; without words the newest first."""
        if query.is_empty or limit < 1:
            return []
        matcher = Matcher(query)
        most = CANDIDATES * -(-(offset + limit) // CANDIDATES)
        with read_transaction(self._engine) as session:
            connection = session.connection()
            if not self._is_sqlite:
                connection.execute(text(PLAN_EACH))
            enough = max(CANDIDATES // 4, offset + limit)
            look = partial(certain, connection, owner, query, enough)
            titles = look(self._titles, max(TITLES, offset + limit))
            found = look(self._messages, most)
            found = _ranked(found, matcher) if query.terms else found
            page = [*titles, *found][offset : offset + limit]
            return [_hit(row, matcher, whole(connection, row, matcher)) for row in page]

    def _titles(
        self, connection: Connection, owner: str, query: Query, limit: int
    ) -> Sequence[Row[Any]]:
        """Conversations by their title; without words only when all that is asked is a pin."""
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
            match = self._match(connection, query, Marks.of_titles(owner), values)
            if _is_short(query) and not self._is_sqlite:
                titles = f"{source} JOIN search_rows r ON r.conversation_id = c.id"
                source = (
                    f"(SELECT c.*, r.words FROM {titles} WHERE {' AND '.join(where)}"
                    f" AND r.message_id IS NULL ORDER BY c.updated_at DESC LIMIT {NEAR}) c"
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
        """The newest messages that match: in the order they were stored, or else of their times."""
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
        match = self._match(
            connection, query, Marks.of_messages(owner, query, models, pinned), values
        )
        if self._is_sqlite:
            where.append(match)
            order = "search_words.rowid"
            found = self._joined(connection, self._source(), where, order, limit, values)
        else:
            near = self._near(connection, where, match, limit, values) if _is_short(query) else None
            found = near or self._joined_later(connection, [*where, match], limit, values)
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
        join = "CROSS JOIN" if self._is_sqlite else "JOIN"  # SQLite: in this order
        live = ["m.deleted_at IS NULL", "c.deleted_at IS NULL"]
        statement = (
            "SELECT r.conversation_id, c.title, c.pinned_at, m.id AS message_id, m.role, m.model,"
            " substr(m.text, 1, :looked_at) AS beginning, m.created_at AS at"
            f" FROM {source} {join} messages m ON m.id = r.message_id"
            f" {join} conversations c ON c.id = r.conversation_id"
            f" WHERE {' AND '.join([*where, *live])} ORDER BY {order} DESC LIMIT :limit"
        )
        return _rows(connection, statement, {**values, "limit": limit, "looked_at": LOOKED_AT})

    def _near(
        self,
        connection: Connection,
        where: Sequence[str],
        match: str,
        limit: int,
        values: dict[str, Any],
    ) -> Sequence[Row[Any]] | None:
        """PostgreSQL: what matches among the newest rows, if that is enough or they are all.

        Its index finds the beginning of a word by all words that begin so: slow for two letters.
        """
        statement = (
            f"SELECT r.id, {match} AS fits FROM (SELECT r.id, r.words FROM search_rows r"
            f" WHERE {' AND '.join(where)} ORDER BY r.at DESC LIMIT {NEAR}) r"
        )
        rows = _rows(connection, statement, values)
        ids = sorted((row.id for row in rows if row.fits), reverse=True)[:limit]
        if len(rows) == NEAR and len(ids) < limit:
            return None
        return self._numbered(connection, ids)

    def _joined_later(
        self, connection: Connection, where: Sequence[str], limit: int, values: dict[str, Any]
    ) -> Sequence[Row[Any]]:
        """PostgreSQL: first the newest rows of the index alone, then the messages they stand for.

        Asked for both at once it would read every message that holds a common word.
        """
        found: list[Row[Any]] = []
        piece, bound = limit, ""
        while len(found) < limit:
            statement = (
                f"SELECT r.id FROM search_rows r WHERE {' AND '.join(where)}{bound}"
                " ORDER BY r.id DESC LIMIT :piece"
            )
            ids = [row.id for row in _rows(connection, statement, {**values, "piece": piece})]
            found += self._numbered(connection, ids)
            if len(ids) < piece:
                break
            values["below"], bound = ids[-1], " AND r.id < :below"
            piece *= 4  # many were deleted
        return found[:limit]

    def _numbered(self, connection: Connection, ids: Sequence[int]) -> Sequence[Row[Any]]:
        if not ids:
            return []
        these = {"ids": list(ids)}
        return self._joined(connection, "search_rows r", ["r.id IN :ids"], "r.id", len(ids), these)

    def _pinned(self, connection: Connection, owner: str) -> list[str]:
        statement = (
            "SELECT id FROM conversations WHERE owner = :owner AND deleted_at IS NULL"
            " AND pinned_at IS NOT NULL ORDER BY pinned_at DESC LIMIT 1000"
        )
        return list(connection.execute(text(statement), {"owner": owner}).scalars())

    def _models(self, connection: Connection, query: Query) -> list[str]:
        """The models whose reference holds what was asked for."""
        if not query.models:
            return []
        known = connection.execute(text("SELECT model FROM search_models")).scalars()
        return [model for model in known if all(part in model.casefold() for part in query.models)]

    def _source(self) -> str:
        if self._is_sqlite:
            return "search_words CROSS JOIN search_rows r ON r.id = search_words.rowid"
        return "search_rows r"

    def _match(
        self, connection: Connection, query: Query, marks: Marks, values: dict[str, Any]
    ) -> str:
        """The condition on the index; what it is asked with goes into `values`."""
        if self._is_sqlite:
            values["match"] = sqlite_match(query, marks)
            return "search_words MATCH :match"
        values["marks"] = postgresql_marks(marks)
        if not query.terms:
            return "r.words @@ CAST(:marks AS tsquery)"
        values["match"] = postgresql_words(query, plain(connection, query))
        return "r.words @@ (CAST(:marks AS tsquery) && to_tsquery('simple', :match))"


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


def _ranked(found: Sequence[Row[Any]], matcher: Matcher) -> list[Row[Any]]:
    """The best first; of one conversation only the best few, the others at the end."""
    moment = now()

    def score(row: Row[Any]) -> float:
        return matcher.score(row.beginning, (moment - row.at).total_seconds() / 86_400)

    best: list[Row[Any]] = []
    others: list[Row[Any]] = []
    seen: dict[str, int] = {}
    for row in sorted(found, key=score, reverse=True):
        seen[row.conversation_id] = seen.get(row.conversation_id, 0) + 1
        (best if seen[row.conversation_id] <= PER_CONVERSATION else others).append(row)
    return [*best, *others]


def _hit(row: Row[Any], matcher: Matcher, whole: str) -> Hit:
    return Hit(
        conversation_id=row.conversation_id,
        title=row.title,
        message_id=row.message_id,
        role=Role(row.role) if row.role else None,
        model=row.model,
        snippet=matcher.snippet(whole),
        at=row.at,
        is_pinned=row.pinned_at is not None,
    )

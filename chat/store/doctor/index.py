"""Checks of the search index: missing and superfluous rows, and rows with wrong words.

Repairs run the triggers of migration 0004, so that they restore exactly what was indexed.
"""

from __future__ import annotations

from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from chat.store.corruption import is_corruption
from chat.store.doctor.checks import Check

_INDEXED = "m.status <> 'streaming' AND m.text <> ''"
_HAS_FILE = "EXISTS (SELECT 1 FROM attachments a WHERE a.message_id = m.id)"
_MISSING = (
    "SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id"
    f" WHERE {_INDEXED} AND NOT EXISTS (SELECT 1 FROM search_rows r"
    " WHERE r.conversation_id = m.conversation_id AND r.message_id = m.id) ORDER BY m.id"
)
_MISSING_TITLES = (
    "SELECT c.id FROM conversations c WHERE NOT EXISTS (SELECT 1 FROM search_rows r"
    " WHERE r.conversation_id = c.id AND r.message_id IS NULL) ORDER BY c.id"
)
_SUPERFLUOUS = (
    "SELECT r.id FROM search_rows r LEFT JOIN conversations c ON c.id = r.conversation_id"
    " LEFT JOIN messages m ON m.id = r.message_id AND m.conversation_id = r.conversation_id"
    " WHERE c.id IS NULL OR r.owner <> c.owner OR (r.message_id IS NOT NULL AND"
    f" (m.id IS NULL OR NOT ({_INDEXED}) OR r.has_file <> {_HAS_FILE}))"
)
_WRONG_WORDS = (  # PostgreSQL
    "SELECT coalesce(r.message_id, c.id) FROM search_rows r"
    " JOIN conversations c ON c.id = r.conversation_id"
    " LEFT JOIN messages m ON m.id = r.message_id WHERE r.words IS DISTINCT FROM"
    " CASE WHEN r.message_id IS NULL THEN parley_title_words(c.owner, c.title) ELSE"
    " parley_message_words(c.owner, c.id, r.has_file, m.created_at, m.model, m.text) END"
)
_TOUCH = "UPDATE messages SET text = text WHERE id = :id"  # fires the triggers, which index the row


def checks(engine: Engine) -> tuple[Check, ...]:
    is_sqlite = engine.dialect.name == "sqlite"
    repair = _rebuild if is_sqlite else _repair_rows
    find_words = _stray_words if is_sqlite else _wrong_words
    wrong_rows = "messages and titles with a missing or wrong index row"
    wrong_words = "messages and titles indexed with other words"
    return (
        Check("search row", wrong_rows, _wrong_rows, repair),
        Check("search words", wrong_words, find_words, repair, needs_write_lock=is_sqlite),
    )


def _wrong_rows(session: Session) -> list[str]:
    found = [f"row {id_}" for id_ in session.scalars(text(_SUPERFLUOUS))]
    for query in (_MISSING, _MISSING_TITLES):
        found += session.scalars(text(query))
    return found


# --- SQLite ------------------------------------------------------------------------------------


def _stray_words(session: Session) -> list[str]:
    """Return rows that exist in either `search_rows` or the FTS5 index, but not in both.

    Rows are found in FTS5 by their first filter token, which differs for messages and titles.
    FTS5's integrity check is a write, which fails after a read if another writer has the lock.
    """
    try:
        with session.begin_nested():
            check = "INSERT INTO search_words (search_words) VALUES ('integrity-check')"
            session.execute(text(check))
    except DatabaseError as error:
        if not is_corruption(error):
            raise
        return ["the index itself"]
    session.execute(
        text(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_seen"
            " USING fts5vocab(main, search_words, instance)"
        )
    )
    has_token = "term >= char(57344) || :kind AND term < char(57344) || :next"
    conditions = {"m": "r.message_id IS NOT NULL", "t": "r.message_id IS NULL"}
    found: set[int] = set()
    for kind, condition in conditions.items():
        values = {"kind": kind, "next": chr(ord(kind) + 1)}
        query = f"SELECT DISTINCT doc FROM temp.search_seen WHERE {has_token}"
        indexed = set(session.scalars(text(query), values))
        rows = set(session.scalars(text(f"SELECT r.id FROM search_rows r WHERE {condition}")))
        found |= indexed ^ rows
    session.execute(text("DROP TABLE temp.search_seen"))
    return [f"row {id_}" for id_ in sorted(found)]


def _rebuild(session: Session, _ids: list[str]) -> None:
    """Rebuild the index. A contentless FTS5 table cannot delete single rows with unknown words."""
    session.execute(text("INSERT INTO search_words (search_words) VALUES ('delete-all')"))
    session.execute(text("DELETE FROM search_rows"))
    _touch(session, _MISSING)  # ordered by id, since search relies on insertion order
    session.execute(text("UPDATE conversations SET title = title"))


def _touch(session: Session, query: str) -> None:
    ids = list(session.scalars(text(query)))
    if ids:
        session.execute(text(_TOUCH), [{"id": id_} for id_ in ids])


# --- PostgreSQL --------------------------------------------------------------------------------


def _wrong_words(session: Session) -> list[str]:
    return list(session.scalars(text(_WRONG_WORDS)))


def _repair_rows(session: Session, _ids: list[str]) -> None:
    session.execute(text(f"DELETE FROM search_rows WHERE id IN ({_SUPERFLUOUS})"))
    wrong = list(session.scalars(text(_WRONG_WORDS)))
    if wrong:
        values = {"wrong": wrong}
        session.execute(text("DELETE FROM search_rows WHERE message_id = ANY(:wrong)"), values)
        session.execute(
            text(
                "DELETE FROM search_rows WHERE message_id IS NULL AND conversation_id = ANY(:wrong)"
            ),
            values,
        )
    _touch(session, _MISSING)
    session.execute(
        text(
            "INSERT INTO search_rows (conversation_id, owner, words)"
            " SELECT c.id, c.owner, parley_title_words(c.owner, c.title) FROM conversations c"
            f" WHERE c.id IN ({_MISSING_TITLES})"
        )
    )

"""Copies all rows between two databases of the same revision, SQLite or PostgreSQL.

Tables are reflected, so that older revisions can be copied. The search index is not copied: the
triggers of the target build it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    MetaData,
    Table,
    bindparam,
    collate,
    insert,
    literal,
    select,
    update,
)

_BATCH = 500  # rows
_SMALL_BATCHES = {"contents": 2}  # a row holds a whole file


def reflect_tables(connection: Connection) -> list[Table]:
    """Return the tables to copy, each after those that it refers to."""
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: _is_copied(name))
    return metadata.sorted_tables


def _is_copied(name: str) -> bool:
    return not name.startswith(("search_", "sqlite_")) and name != "alembic_version"


def is_empty(connection: Connection) -> bool:
    """Return whether all tables are empty."""
    return not any(
        connection.execute(select(literal(1)).select_from(table).limit(1)).scalar()
        for table in reflect_tables(connection)
    )


def copy_rows(source: Connection, target: Connection) -> int:
    """Copy all rows into an empty database and return their number."""
    targets = {table.name: table for table in reflect_tables(target)}
    convert_datetime = _naive if target.dialect.name == "sqlite" else _aware
    count, postponed = 0, []
    for table in reflect_tables(source):
        for rows in _batches(source, table, convert_datetime):
            if table.name == "messages":
                postponed += _postpone_parents(rows)
            target.execute(insert(targets[table.name]), rows)
            count += len(rows)
    if postponed:
        messages = targets["messages"]
        set_parent = update(messages).where(messages.c.id == bindparam("message_id"))
        target.execute(set_parent.values(parent_id=bindparam("parent")), postponed)
    return count


def _batches(
    source: Connection, table: Table, convert_datetime: Callable[[datetime], datetime]
) -> Iterator[list[dict[str, Any]]]:
    batch = _SMALL_BATCHES.get(table.name, _BATCH)
    query = select(table)
    if table.name == "messages":  # search relies on insertion order
        id_ = table.c.id
        query = query.order_by(id_ if source.dialect.name == "sqlite" else collate(id_, "C"))
    result = source.execute(query, execution_options={"yield_per": batch})
    for rows in result.mappings().partitions():
        yield [
            {
                name: convert_datetime(value) if isinstance(value, datetime) else value
                for name, value in row.items()
            }
            for row in rows
        ]


def _postpone_parents(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Clear parents that are inserted after their child; return the values to set later."""
    postponed = []
    for row in rows:
        if row["parent_id"] is not None and row["parent_id"] >= row["id"]:
            postponed.append({"message_id": row["id"], "parent": row["parent_id"]})
            row["parent_id"] = None
    return postponed


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

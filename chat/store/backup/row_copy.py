"""Copies all rows of one database into another, whatever kinds they are.

Both have the same revision. The index of words is not copied: the triggers of the target build it.
Knows the tables from the databases themselves, so that it copies older revisions too.
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

_AT_ONCE = 500  # rows
_LARGE = {"contents": 2}  # files: a row may be as large as one


def tables_of(connection: Connection) -> list[Table]:
    """What is kept, in an order in which each comes after what it refers to."""
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: _is_kept(name))
    return metadata.sorted_tables


def _is_kept(name: str) -> bool:
    return not name.startswith(("search_", "sqlite_")) and name != "alembic_version"


def is_empty(connection: Connection) -> bool:
    """Whether no table holds anything."""
    return not any(
        connection.execute(select(literal(1)).select_from(table).limit(1)).scalar()
        for table in tables_of(connection)
    )


def copy_rows(source: Connection, target: Connection) -> int:
    """Copy everything; how many rows. The target is empty, and stays so if this raises."""
    into = {table.name: table for table in tables_of(target)}
    told = _naive if target.dialect.name == "sqlite" else _aware
    count, late = 0, []
    for table in tables_of(source):
        for rows in _batches(source, table, told):
            if table.name == "messages":
                late += _take_off(rows)
            target.execute(insert(into[table.name]), rows)
            count += len(rows)
    if late:  # now all messages are there
        messages = into["messages"]
        below = update(messages).where(messages.c.id == bindparam("of"))
        target.execute(below.values(parent_id=bindparam("parent")), late)
    return count


def _batches(
    source: Connection, table: Table, told: Callable[[datetime], datetime]
) -> Iterator[list[dict[str, Any]]]:
    most = _LARGE.get(table.name, _AT_ONCE)
    query = select(table)
    if table.name == "messages":  # as they were stored, for the search
        id_ = table.c.id
        query = query.order_by(id_ if source.dialect.name == "sqlite" else collate(id_, "C"))
    found = source.execute(query, execution_options={"yield_per": most})
    for rows in found.mappings().partitions():
        yield [
            {
                name: told(value) if isinstance(value, datetime) else value
                for name, value in row.items()
            }
            for row in rows
        ]


def _take_off(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Takes off messages the parent that comes after them; what to put back."""
    late = []
    for row in rows:
        if row["parent_id"] is not None and row["parent_id"] >= row["id"]:
            late.append({"of": row["id"], "parent": row["parent_id"]})
            row["parent_id"] = None
    return late


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Check of SQLite's cells: valid UTF-8, dates and numbers. PostgreSQL enforces its column types."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Engine, LargeBinary, Table, text
from sqlalchemy.orm import Session

from chat.store.column_types import Moment, RealNumber, WholeNumber
from chat.store.doctor.checks import Check
from chat.store.schema import Base

_BATCH = 200  # rows in memory; a cell may hold a long document


def checks(engine: Engine) -> tuple[Check, ...]:
    if engine.dialect.name != "sqlite":
        return ()
    return (
        Check(
            "unreadable cell",
            "cells without a valid text, date or number",
            _unreadable_cells,
            advice="a default is shown instead: restore a backup that has them",
        ),
    )


def _unreadable_cells(session: Session) -> list[str]:
    """Return `table.column of <key>` for each damaged cell."""
    return [found for table in Base.metadata.sorted_tables for found in _in_table(session, table)]


def _in_table(session: Session, table: Table) -> Iterator[str]:
    columns = [each for each in table.columns if not isinstance(each.type, LargeBinary)]
    key = columns.index(next(iter(table.primary_key)))
    # Text is read as bytes: the driver would replace what is not UTF-8.
    cells = ", ".join(
        f"typeof({name}), iif(typeof({name}) = 'text', CAST({name} AS BLOB), {name})"
        for name in (f'"{each.name}"' for each in columns)
    )
    query = text(f'SELECT {cells} FROM "{table.name}"').execution_options(yield_per=_BATCH)
    for row in session.execute(query):
        values = list(zip(row[::2], row[1::2], strict=True))
        for each, (kind, value) in zip(columns, values, strict=True):
            if kind != "null" and not _is_readable(each, kind, value):
                yield f"{table.name}.{each.name} of {_shown(values[key][1])}"


def _is_readable(column: Column[Any], kind: str, value: Any) -> bool:
    if isinstance(column.type, (WholeNumber, Boolean)) or column.type.python_type is int:
        return kind == "integer"
    if isinstance(column.type, RealNumber):
        return kind in ("integer", "real")
    try:
        decoded = value.decode("utf-8") if kind == "text" else None
        if isinstance(column.type, Moment) and decoded is not None:
            datetime.fromisoformat(decoded)
    except ValueError:
        return False
    return decoded is not None


def _shown(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

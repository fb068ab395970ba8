"""Column types that read damaged SQLite cells.

SQLite does not enforce column types, so a damaged file or another program may leave a value of the
wrong type. One such cell must not make a conversation unreadable: it is read as a default. The
doctor reports these cells; see `chat.store.doctor.cells`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Float, Integer, TypeDecorator
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

UNREADABLE_DATE = datetime(1970, 1, 1, tzinfo=UTC)


class _SqliteDateTime(sqlite.DATETIME):
    cache_ok = True

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None]:
        parse = super().result_processor(dialect, coltype)
        assert parse is not None

        def process(value: Any) -> datetime | None:
            try:
                return parse(value)
            except (TypeError, ValueError):
                return UNREADABLE_DATE

        return process


class Moment(TypeDecorator[datetime]):
    """A timezone-aware UTC datetime. SQLite stores no time zone, so reading adds it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_SqliteDateTime())  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class WholeNumber(TypeDecorator[int]):
    """An integer; anything else is read as 0."""

    impl = Integer
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return value if value is None or isinstance(value, int) else 0


class RealNumber(TypeDecorator[float]):
    """A float; anything else is read as None, the default of all columns of this type."""

    impl = Float
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> float | None:
        return float(value) if isinstance(value, (int, float)) else None


def decode_text(value: bytes) -> str:
    """Decode the text of a SQLite cell, with U+FFFD in place of bytes that are not UTF-8."""
    return value.decode("utf-8", "replace")

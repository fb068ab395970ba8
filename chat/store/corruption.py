"""What SQLite says of a damaged file, made an error like any other of the database.

It may quote what is damaged, which Python then cannot read: instead of an `sqlite3.Error` a
`UnicodeDecodeError` comes, which whoever expects the database to fail does not know.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DatabaseError


def is_damage(error: Exception) -> bool:
    """Whether SQLite found a file or an index damaged: not locked, nor full, nor gone."""
    return _code(error) == sqlite3.SQLITE_CORRUPT


def is_unusable(error: Exception) -> bool:
    """Whether nothing but another file helps."""
    return is_damage(error) or _code(error) == sqlite3.SQLITE_NOTADB


def cannot_open(error: Exception) -> str:
    """What is told of a database that cannot be opened."""
    if is_unusable(error):
        return (
            "the database at DATABASE_URL is damaged, or no database at all: restore a backup, or "
            "name another file"
        )
    return f"the database at DATABASE_URL cannot be opened ({type(error).__name__})"


def _code(error: Exception) -> int | None:
    told = getattr(error, "orig", None) or error
    code = getattr(told, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextmanager
def damage_told() -> Iterator[None]:
    """Around what asks SQLite itself."""
    try:
        yield
    except UnicodeDecodeError:
        raise _damage() from None


def tell_damage(engine: Engine) -> None:
    """The same for whatever is asked through this engine."""
    event.listen(engine, "handle_error", _translated)


def _translated(context: ExceptionContext) -> DatabaseError | None:
    is_unreadable = isinstance(context.original_exception, UnicodeDecodeError)
    return DatabaseError(None, None, _damage()) if is_unreadable else None


def _damage() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("the database is damaged, and so is what it says of it")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error

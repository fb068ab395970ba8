"""Translation of SQLite's corruption errors into database errors.

SQLite may quote damaged bytes in its error message. Python's `sqlite3` then fails to decode the
message and raises `UnicodeDecodeError` instead of `sqlite3.Error`, which callers that handle
database errors would not catch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DatabaseError


def is_corruption(error: Exception) -> bool:
    """Return whether SQLite reported a corrupt file or index, not a locked, full or missing one."""
    return primary_code(error) == sqlite3.SQLITE_CORRUPT


def is_unusable(error: Exception) -> bool:
    """Return whether the file is corrupt or not a SQLite database at all."""
    return is_corruption(error) or primary_code(error) == sqlite3.SQLITE_NOTADB


def primary_code(error: Exception) -> int | None:
    """Return SQLite's result code without its extension; None for other errors."""
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextmanager
def translate_corruption() -> Iterator[None]:
    """Raise `sqlite3.DatabaseError` for undecodable messages of a raw SQLite connection."""
    try:
        yield
    except UnicodeDecodeError:
        raise _corruption_error() from None


def install_corruption_handler(engine: Engine) -> None:
    """Translate undecodable error messages for every statement of an engine."""
    event.listen(engine, "handle_error", _translate)


def _translate(context: ExceptionContext) -> DatabaseError | None:
    if isinstance(context.original_exception, UnicodeDecodeError):
        return DatabaseError(None, None, _corruption_error())
    return None


def _corruption_error() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("the database is damaged, and its error message is unreadable")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error

"""Errors of opening a database, and the sentences that explain them to the operator."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import ArgumentError, ProgrammingError, SQLAlchemyError

from chat.errors import DatabaseUnavailable, SettingsError
from chat.store.corruption import is_unusable, primary_code

# Drivers raise the last two for options that they do not know or cannot read.
OPEN_ERRORS = (SQLAlchemyError, OSError, ImportError, TypeError, ValueError)
READ_ONLY = "the database at DATABASE_URL cannot be written: its file or disk is read-only"
_EXAMPLES = "sqlite:///data/parley.db or postgresql+psycopg://host/parley"


def open_failure(error: Exception) -> SettingsError:
    """Return the error for a database that cannot be opened, as one of the `OPEN_ERRORS`.

    `DatabaseUnavailable` if the database may open later with the same configuration.
    """
    kind = SettingsError if _is_invalid_url(error) else DatabaseUnavailable
    return kind([open_failure_message(error)])


def open_failure_message(error: Exception) -> str:
    """Return the sentence for the operator. It quotes no part of the URL, which has a password."""
    if isinstance(error, ArgumentError):
        return f"DATABASE_URL should be an address such as {_EXAMPLES}"
    if _is_invalid_url(error):
        return "DATABASE_URL has an option after its ? that is unknown or has an invalid value"
    if is_unusable(error):
        return (
            "the database at DATABASE_URL is damaged, or no database at all: restore a backup, or "
            "name another file"
        )
    if primary_code(error) == sqlite3.SQLITE_READONLY:
        return READ_ONLY
    return f"the database at DATABASE_URL cannot be opened ({type(error).__name__})"


def _is_invalid_url(error: Exception) -> bool:
    if isinstance(error, OSError):
        return False
    return isinstance(error, ArgumentError | ProgrammingError | TypeError | ValueError)

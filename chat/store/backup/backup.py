"""A copy of the database as one file, made while everybody goes on writing.

Whatever the database is, the copy is a SQLite database of the same revision: one form that can be
restored into either, looked at with any tool, and be checked by the doctor as it lies there. SQLite
writes it itself (`VACUUM INTO`): one moment of the database, page by page anew, so that nothing
deleted is left in it; its online copy in steps would begin again with each message that is sent.
PostgreSQL's rows are read in one transaction, which sees one moment too. Nobody waits for either.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from chat.errors import BackupFailed
from chat.store.backup.row_copy import copy_rows
from chat.store.corruption import translate_corruption
from chat.store.engine import checkpoint, current_revision, error_summary, make_engine, migrate


def back_up(engine: Engine, file: Path) -> int:
    """Write a copy to `file`, whole or not at all, readable by its owner only; its size in bytes.

    Holds everything that was stored when this was called. Raises `BackupFailed`, also when there
    is such a file already.
    """
    return _written(file, lambda part: _write(engine, part))


def back_up_rows(source: Connection, file: Path) -> int:
    """The same of a PostgreSQL, from within a transaction that has its tables for itself."""
    return _written(file, lambda part: _write_rows(source, part))


def _written(file: Path, write: Callable[[Path], object]) -> int:
    file = file.absolute()
    try:
        if file.exists():
            raise BackupFailed("There is a file of that name already. Nothing was written.")
        with beside(file) as part:
            write(part)
            settle(part)
            os.replace(part, file)
        sync_folder(file.parent)
        return file.stat().st_size
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise BackupFailed(details=error_summary(error)) from None


def estimate_size(engine: Engine) -> int:
    """About how large a copy would become, in bytes."""
    query = "SELECT pg_database_size(current_database())"
    if engine.dialect.name == "sqlite":
        query = (
            "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count,"
            " pragma_freelist_count, pragma_page_size"
        )
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


@contextmanager
def beside(file: Path) -> Iterator[Path]:
    """The name of a new empty file in the same folder, for nobody else's eyes; gone afterwards."""
    part = file.with_name(f".{file.name}.{token_hex(6)}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield part
    finally:
        for left in (part, *(Path(f"{part}{end}") for end in ("-wal", "-shm", "-journal"))):
            left.unlink(missing_ok=True)


def copy_sqlite(engine: Engine, part: Path) -> None:
    """One moment of a SQLite database into an empty file."""
    with engine.connect() as connection:
        # Not inside a transaction; what it reads is one moment all the same.
        raw = connection.connection.driver_connection
        with translate_corruption():
            raw.execute("VACUUM INTO ?", (str(part),))  # type: ignore[union-attr]


def settle(part: Path) -> None:
    """See that a file is on the disk, whatever happens next."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """See that what was renamed in a folder stays renamed."""
    if os.name == "posix":
        settle(folder)


def _write(engine: Engine, part: Path) -> None:
    if engine.dialect.name == "sqlite":
        copy_sqlite(engine, part)
        checkpoint(engine)  # what was deleted meanwhile could not leave the log
        return
    snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**snapshot) as source:
        _write_rows(source, part)


def _write_rows(source: Connection, part: Path) -> None:
    copy = make_engine(f"sqlite:///{part}")
    try:
        migrate(copy, current_revision(source))
        with copy.execution_options(writes=True).begin() as target:
            copy_rows(source, target)
        one_file(copy)
    finally:
        copy.dispose()


def one_file(engine: Engine) -> None:
    """Put a SQLite database that nobody else uses into its one file, without a log beside it."""
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        with translate_corruption():
            raw.execute("PRAGMA journal_mode=DELETE")  # type: ignore[union-attr]

"""Online backup of the database into one SQLite file.

The backup of either database is a SQLite database of the same revision, which can be restored
into SQLite and PostgreSQL and inspected with any tool. SQLite writes it with `VACUUM INTO`, a
consistent snapshot without deleted content; its incremental backup API would restart with each
write. PostgreSQL's rows are copied in one REPEATABLE READ transaction. Neither blocks writers.
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
    """Write a backup to `file` and return its size in bytes.

    The file appears only when it is complete, and only its owner can read it. It contains every
    transaction committed before the call. Raises `BackupFailed`, also if the file exists.
    """
    return _write_atomically(file, lambda part: _write(engine, part))


def back_up_rows(source: Connection, file: Path) -> int:
    """Write a backup of PostgreSQL inside the caller's transaction; see `back_up`."""
    return _write_atomically(file, lambda part: _write_rows(source, part))


def _write_atomically(file: Path, write: Callable[[Path], object]) -> int:
    file = file.absolute()
    try:
        if file.exists():
            raise BackupFailed("There is a file of that name already. Nothing was written.")
        with temporary_sibling(file) as part:
            write(part)
            fsync(part)
            os.replace(part, file)
        fsync_folder(file.parent)
        return file.stat().st_size
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise BackupFailed(details=error_summary(error)) from None


def estimate_size(engine: Engine) -> int:
    """Estimate the size of a backup in bytes."""
    query = "SELECT pg_database_size(current_database())"
    if engine.dialect.name == "sqlite":
        query = (
            "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count,"
            " pragma_freelist_count, pragma_page_size"
        )
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


@contextmanager
def temporary_sibling(file: Path) -> Iterator[Path]:
    """Create an empty private file in the same folder; delete it with its SQLite side files."""
    part = file.with_name(f".{file.name}.{token_hex(6)}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield part
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{part}{suffix}").unlink(missing_ok=True)


def fsync(file: Path) -> None:
    """Flush a file to disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(folder: Path) -> None:
    """Flush a folder to disk, which makes renames in it durable. POSIX only."""
    if os.name == "posix":
        fsync(folder)


def _write(engine: Engine, part: Path) -> None:
    if engine.dialect.name == "sqlite":
        _vacuum_into(engine, part)
        checkpoint(engine)  # the snapshot kept concurrent deletions in the write-ahead log
        return
    snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**snapshot) as source:
        _write_rows(source, part)


def _vacuum_into(engine: Engine, part: Path) -> None:
    with engine.connect() as connection:
        # VACUUM cannot run inside a transaction, so it bypasses SQLAlchemy.
        raw = connection.connection.driver_connection
        with translate_corruption():
            raw.execute("VACUUM INTO ?", (str(part),))  # type: ignore[union-attr]


def _write_rows(source: Connection, part: Path) -> None:
    copy = make_engine(f"sqlite:///{part}")
    try:
        migrate(copy, current_revision(source))
        with copy.execution_options(writes=True).begin() as target:
            copy_rows(source, target)
        leave_wal_mode(copy)
    finally:
        copy.dispose()


def leave_wal_mode(engine: Engine) -> None:
    """Merge the write-ahead log into the SQLite file, so that the file alone is complete.

    Fails while another process has the database open.
    """
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        with translate_corruption():
            raw.execute("PRAGMA journal_mode=DELETE")  # type: ignore[union-attr]

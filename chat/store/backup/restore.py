"""Restore of a backup: validated and migrated in a temporary file, then put in place.

The replaced data is kept: a SQLite file is renamed, PostgreSQL is backed up first. Other clients
have to be stopped before. A client that connects during the restore finds PostgreSQL locked; on
SQLite it makes the restore fail.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from chat.errors import RestoreRefused, StoreFailed
from chat.store.backup.backup import (
    back_up_rows,
    fsync,
    fsync_folder,
    leave_wal_mode,
    temporary_sibling,
)
from chat.store.backup.row_copy import copy_rows, is_empty
from chat.store.corruption import install_corruption_handler
from chat.store.database_url import parse_url
from chat.store.engine import error_summary, make_engine, migrate, newest_revision, upgrade

Prepare = Callable[[Engine], object]
Sleep = Callable[[float], object]

CONNECTION_CHECKS = 50  # every 0.1 s, while other PostgreSQL clients are disconnecting


def restore(
    file: Path,
    database_url: str,
    at: datetime,
    *,
    replaces: bool,
    prepare: Prepare,
    sleep: Sleep = time.sleep,
) -> Path | None:
    """Fill the database with a backup; return the file that keeps the replaced data, if any.

    The database must be empty unless `replaces` is set. `prepare` is called with the migrated
    copy before it is put in place. Raises `RestoreRefused`, `BackupFailed`, `SettingsError` and
    `StoreFailed`; the database is unchanged then.
    """
    file, url = file.absolute(), parse_url(database_url)
    stamp = f"before-{at:%Y%m%d-%H%M%S}"
    try:
        _validate(file)
        if url.get_backend_name() == "sqlite":
            return _restore_sqlite(file, url, stamp, replaces, prepare)
        return _restore_postgres(file, url, stamp, replaces, prepare, sleep)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise StoreFailed(details=error_summary(error)) from None


def _validate(file: Path) -> None:
    """Raise `RestoreRefused` unless the file is an intact backup of a supported revision."""
    if not file.is_file():
        raise RestoreRefused(f"There is no file {file.name}. Nothing was changed.")
    try:
        with closing(_open_backup(file)) as backup:
            (result,) = backup.execute("PRAGMA quick_check(1)").fetchone()
            (revision,) = backup.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError, UnicodeDecodeError):
        raise RestoreRefused from None
    if result != "ok":
        raise RestoreRefused
    if str(revision) > newest_revision():
        raise RestoreRefused(
            "This backup was made by a newer version of Parley. Nothing was changed."
        )


def _open_backup(file: Path) -> sqlite3.Connection:
    """Open a backup for reading without creating files beside it."""
    immutable = "" if Path(f"{file}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"file:{quote(str(file))}?mode=ro{immutable}", uri=True)


def _write_copy(file: Path, part: Path, prepare: Prepare) -> None:
    """Copy the backup into `part`, migrate and prepare it, and flush it to disk."""
    with closing(_open_backup(file)) as backup:
        backup.execute("VACUUM INTO ?", (str(part),))
    engine = make_engine(f"sqlite:///{part}")
    try:
        migrate(engine)
        prepare(engine)
        leave_wal_mode(engine)
    finally:
        engine.dispose()
    fsync(part)


# --- SQLite ------------------------------------------------------------------------------------


def _restore_sqlite(
    file: Path, url: URL, stamp: str, replaces: bool, prepare: Prepare
) -> Path | None:
    if not url.database or url.database == ":memory:":
        raise RestoreRefused("DATABASE_URL names no file to restore into. Nothing was changed.")
    path = Path(url.database).absolute()
    if path == file:
        raise RestoreRefused("The backup is the database itself. Nothing was changed.")
    path.parent.mkdir(parents=True, exist_ok=True)
    exists = path.exists()
    if exists and _has_rows(path) and not replaces:
        raise _not_empty()
    with temporary_sibling(path) as part:
        _write_copy(file, part, prepare)
        # Writing the copy may have taken minutes.
        if path.exists() is not exists:
            raise _in_use()
        if exists and _has_rows(path) and not replaces:
            raise _not_empty()
        _copy_ownership(part, path if exists else path.parent, with_mode=exists)
        kept = _rename_database(path, stamp) if exists else None
        os.replace(part, path)
    fsync_folder(path.parent)
    return kept


def _rename_database(path: Path, stamp: str) -> Path:
    kept = path.with_name(f"{path.name}.{stamp}")
    if kept.exists():
        raise RestoreRefused(f"{kept.name} is there already. Nothing was changed.")
    for suffix in ("", "-wal", "-shm"):  # a corrupt database still has a log
        if Path(f"{path}{suffix}").exists():
            os.replace(f"{path}{suffix}", f"{kept}{suffix}")
    return kept


def _has_rows(path: Path) -> bool:
    """Return whether the database is not empty, and merge its log into the file.

    Raises `RestoreRefused` if another process has it open. A corrupt database counts as not empty
    and is left unchanged, since it may be the reason for the restore.
    """
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 1})
    install_corruption_handler(engine)
    try:
        with engine.connect() as connection:
            has_rows = not is_empty(connection)
        leave_wal_mode(engine)  # fails while another process has the file open
    except (SQLAlchemyError, sqlite3.Error) as error:
        if "locked" in error_summary(error):
            raise _in_use() from None
        return True
    finally:
        engine.dispose()
    return has_rows


def _copy_ownership(part: Path, source: Path, *, with_mode: bool) -> None:
    """Copy the owner of `source`, which matters if root restores, and optionally its mode."""
    status = source.stat()
    if with_mode:
        part.chmod(status.st_mode & 0o777)
    if hasattr(os, "chown") and os.geteuid() == 0:
        os.chown(part, status.st_uid, status.st_gid)


# --- PostgreSQL --------------------------------------------------------------------------------


def _restore_postgres(
    file: Path, url: URL, stamp: str, replaces: bool, prepare: Prepare, sleep: Sleep
) -> Path | None:
    """Restore in one transaction, which keeps all tables locked until the end."""
    target = make_engine(url.render_as_string(hide_password=False))
    try:
        with target.begin() as write:
            _check_replaceable(write, replaces)
            _check_exclusive(write, sleep)
            _lock_tables(write)
            _check_exclusive(write, sleep)
            has_rows = _check_replaceable(write, replaces)
            with _temporary_file() as part:
                _write_copy(file, part, prepare)
                kept = None
                if has_rows:
                    kept = file.with_name(f"{url.database}.{stamp}.db")
                    back_up_rows(write, kept)
                _truncate(write)  # replaced rows must not make a migration fail
                upgrade(write, newest_revision())
                source = make_engine(f"sqlite:///{part}")
                try:
                    with source.connect() as read:
                        replace_rows(read, write)
                finally:
                    source.dispose()
        return kept
    finally:
        target.dispose()


def _check_replaceable(connection: Connection, replaces: bool) -> bool:
    """Return whether the database has rows. Raises `RestoreRefused` if they must be kept."""
    has_rows = not is_empty(connection)
    if has_rows and not replaces:
        raise _not_empty()
    return has_rows


def _check_exclusive(connection: Connection, sleep: Sleep) -> None:
    """Wait until no other client is connected. Raises `RestoreRefused` after five seconds.

    A running Parley would continue with the state that it has cached.
    """
    query = text(
        # Without privileges, backend_type is null for sessions of other roles. Server processes
        # have no usesysid.
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND usesysid IS NOT NULL"
        " AND coalesce(backend_type, 'client backend') = 'client backend'"
    )
    for _ in range(CONNECTION_CHECKS):
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        others = connection.execute(query).scalar_one()
        if not others:
            return
        sleep(0.1)
    raise _in_use(f"{others} other connection{'s are' if others > 1 else ' is'} open")


def _lock_tables(connection: Connection) -> None:
    connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    # The transaction is idle while the copy is written, which may take minutes.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    if names := _table_names(connection):
        try:
            connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
        except SQLAlchemyError as error:
            if "lock timeout" in error_summary(error):
                raise _in_use() from None
            raise


def _truncate(connection: Connection) -> None:
    if names := _table_names(connection):
        connection.execute(text(f"TRUNCATE {names}"))


def _table_names(connection: Connection) -> str:
    """Return the quoted names of all tables except `alembic_version`, joined with commas."""
    quoted = connection.dialect.identifier_preparer.quote
    names = inspect(connection).get_table_names()
    return ", ".join(quoted(name) for name in names if name != "alembic_version")


def replace_rows(source: Connection, target: Connection) -> None:
    """Delete all rows of the target, including those of migrations, and copy the source's."""
    _truncate(target)
    copy_rows(source, target)


@contextmanager
def _temporary_file() -> Iterator[Path]:
    folder = tempfile.TemporaryDirectory(prefix="parley-restore-")
    with folder as name, temporary_sibling(Path(name, "copy.db")) as part:
        yield part


def _not_empty() -> RestoreRefused:
    return RestoreRefused(
        "The database is not empty. Nothing was changed. Use --replace to replace its contents; "
        "the current data is kept in a file."
    )


def _in_use(reason: str = "") -> RestoreRefused:
    return RestoreRefused(
        f"The database is in use{reason and f' ({reason})'}. Stop Parley and all other clients "
        "first. Nothing was changed."
    )

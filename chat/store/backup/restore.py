"""Puts a backup back: checked and brought to this version beside the database, then in its place.

Nothing that was there is lost: a SQLite file is renamed, of PostgreSQL a backup is made first.
Whoever else uses the database has to be stopped before; who comes meanwhile finds it locked, or
(SQLite) stops the restore.
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
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from chat.errors import RestoreRefused, StoreFailed
from chat.store.backup.backup import back_up_rows, beside, one_file, settle, sync_folder
from chat.store.backup.row_copy import copy_rows, is_empty
from chat.store.corruption import install_corruption_handler
from chat.store.engine import error_summary, make_engine, migrate, newest_revision, upgrade

Finish = Callable[[Engine], object]
Pause = Callable[[float], object]

LOOKS = 50  # at the others on a PostgreSQL, a tenth of a second apart: whoever ends takes a moment


def restore(
    file: Path,
    database_url: str,
    at: datetime,
    *,
    replaces: bool,
    finish: Finish,
    pause: Pause = time.sleep,
) -> Path | None:
    """Fill the database with a backup; where what was there before is kept, if there was any.

    It must be empty unless this `replaces` it. `finish` is called with the restored database
    before it is put in place. Raises `RestoreRefused`, `BackupFailed`, `SettingsError` and
    `StoreFailed`; then nothing was changed.
    """
    file, url = file.absolute(), make_url(database_url)
    stamp = f"before-{at:%Y%m%d-%H%M%S}"
    try:
        _check(file)
        if url.get_backend_name() == "sqlite":
            return _into_file(file, url, stamp, replaces, finish)
        return _into_server(file, url, stamp, replaces, finish, pause)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise StoreFailed(details=error_summary(error)) from None


def _check(file: Path) -> None:
    """Raises `RestoreRefused` unless the file is a whole database of this version or an older."""
    if not file.is_file():
        raise RestoreRefused(f"There is no file {file.name}. Nothing was changed.")
    try:
        with closing(_opened(file)) as backup:
            (found,) = backup.execute("PRAGMA quick_check(1)").fetchone()
            (revision,) = backup.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError, UnicodeDecodeError):
        raise RestoreRefused from None
    if found != "ok":
        raise RestoreRefused
    if str(revision) > newest_revision():
        raise RestoreRefused(
            "This backup was made by a newer version of Parley. Nothing was changed."
        )


def _opened(file: Path) -> sqlite3.Connection:
    """The backup to read. Nothing is written beside it, unless a log lies there already."""
    alone = "" if Path(f"{file}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"file:{quote(str(file))}?mode=ro{alone}", uri=True)


def _prepare(file: Path, part: Path, finish: Finish) -> None:
    """A copy of the backup in `part`, of the newest revision, in one file."""
    with closing(_opened(file)) as backup:
        backup.execute("VACUUM INTO ?", (str(part),))
    engine = make_engine(f"sqlite:///{part}")
    try:
        migrate(engine)
        finish(engine)
        one_file(engine)
    finally:
        engine.dispose()
    settle(part)


# --- SQLite ------------------------------------------------------------------------------------


def _into_file(file: Path, url: URL, stamp: str, replaces: bool, finish: Finish) -> Path | None:
    if not url.database or url.database == ":memory:":
        raise RestoreRefused("DATABASE_URL names no file to restore into. Nothing was changed.")
    place = Path(url.database).absolute()
    if place == file:
        raise RestoreRefused("The backup is the database itself. Nothing was changed.")
    place.parent.mkdir(parents=True, exist_ok=True)
    is_there = place.exists()
    if is_there and _settled(place) and not replaces:
        raise _not_empty()
    with beside(place) as part:
        _prepare(file, part, finish)
        if place.exists() is not is_there:
            raise _in_use()
        if is_there and _settled(place) and not replaces:  # it may have taken minutes
            raise _not_empty()
        _give(part, place if is_there else place.parent, is_file=is_there)
        kept = None
        if is_there:
            kept = place.with_name(f"{place.name}.{stamp}")
            if kept.exists():
                raise RestoreRefused(f"{kept.name} is there already. Nothing was changed.")
            for end in ("", "-wal", "-shm"):  # a damaged one keeps its log
                if Path(f"{place}{end}").exists():
                    os.replace(f"{place}{end}", f"{kept}{end}")
        os.replace(part, place)
    sync_folder(place.parent)
    return kept


def _settled(place: Path) -> bool:
    """Put a database into its one file, if nobody else has it open; whether it holds anything.

    One that is damaged is left as it is: that may be why there is a restore.
    """
    engine = create_engine(f"sqlite:///{place}", connect_args={"timeout": 1})
    install_corruption_handler(engine)
    try:
        with engine.connect() as connection:
            has_rows = not is_empty(connection)
        one_file(engine)  # fails while somebody else is there
    except (SQLAlchemyError, sqlite3.Error) as error:
        if "locked" in error_summary(error):
            raise _in_use() from None
        return True
    finally:
        engine.dispose()
    return has_rows


def _give(part: Path, like: Path, *, is_file: bool) -> None:
    """Let the file belong to whoever the other one belongs to: root may restore for others."""
    known = like.stat()
    if is_file:
        part.chmod(known.st_mode & 0o777)
    if hasattr(os, "chown") and os.geteuid() == 0:
        os.chown(part, known.st_uid, known.st_gid)


# --- PostgreSQL --------------------------------------------------------------------------------


def _into_server(
    file: Path, url: URL, stamp: str, replaces: bool, finish: Finish, pause: Pause
) -> Path | None:
    """All in one transaction, which holds the locks to its end."""
    target = make_engine(url.render_as_string(hide_password=False))
    try:
        with target.begin() as write:
            _must_be_free(write, replaces)
            _must_be_alone(write, pause)
            _lock(write)
            _must_be_alone(write, pause)
            has_rows = _must_be_free(write, replaces)
            with _spare() as part:
                _prepare(file, part, finish)
                kept = None
                if has_rows:
                    kept = file.with_name(f"{url.database}.{stamp}.db")
                    back_up_rows(write, kept)
                _empty(write)  # nothing of what is replaced may fail the migrations
                upgrade(write, newest_revision())
                source = make_engine(f"sqlite:///{part}")
                try:
                    with source.connect() as read:
                        refill(read, write)
                finally:
                    source.dispose()
        return kept
    finally:
        target.dispose()


def _must_be_free(connection: Connection, replaces: bool) -> bool:
    """Whether it holds anything, which only a restore that `replaces` may take away."""
    has_rows = not is_empty(connection)
    if has_rows and not replaces:
        raise _not_empty()
    return has_rows


def _must_be_alone(connection: Connection, pause: Pause) -> None:
    """Nobody else is connected: Parley would go on with what it knew before."""
    query = text(  # of other roles' connections not everything is told; the server's own have none
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND usesysid IS NOT NULL"
        " AND coalesce(backend_type, 'client backend') = 'client backend'"
    )
    for _ in range(LOOKS):
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        others = connection.execute(query).scalar_one()
        if not others:
            return
        pause(0.1)
    raise _in_use(f"{others} other connection{'s are' if others > 1 else ' is'} open")


def _lock(connection: Connection) -> None:
    connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    # It stands still while the copy is prepared, which may take its time.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    if names := _names(connection):
        try:
            connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
        except SQLAlchemyError as error:
            if "lock timeout" in error_summary(error):
                raise _in_use() from None
            raise


def _empty(connection: Connection) -> None:
    if names := _names(connection):
        connection.execute(text(f"TRUNCATE {names}"))


def _names(connection: Connection) -> str:
    """All tables but the one that tells the version."""
    quoted = connection.dialect.identifier_preparer.quote
    names = inspect(connection).get_table_names()
    return ", ".join(quoted(name) for name in names if name != "alembic_version")


def refill(source: Connection, target: Connection) -> None:
    """All rows of one database in place of those of the other, or of a migration's own."""
    _empty(target)
    copy_rows(source, target)


@contextmanager
def _spare() -> Iterator[Path]:
    folder = tempfile.TemporaryDirectory(prefix="parley-restore-")
    with folder as name, beside(Path(name, "copy.db")) as part:
        yield part


def _not_empty() -> RestoreRefused:
    return RestoreRefused(
        "The database is not empty. Nothing was changed: to put the backup in its place, say "
        "--replace. What is there now is kept beside it."
    )


def _in_use(how: str = "") -> RestoreRefused:
    return RestoreRefused(
        f"The database is in use{how and f' ({how})'}: stop Parley, and whatever else uses it, "
        "first. Nothing was changed."
    )

"""Engine setup, transactions and migrations.

SQLite runs in WAL mode, and writers begin with `BEGIN IMMEDIATE`: a transaction that reads first
and writes later would fail with "database is locked" instead of waiting for the lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, inspect, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from chat.errors import SettingsError, StoreFailed
from chat.observability.io_hook import blocking_io
from chat.store.column_types import decode_text
from chat.store.corruption import install_corruption_handler, translate_corruption
from chat.store.database_url import parse_url
from chat.store.postgres import MAX_CONNECTIONS, make_postgres_engine, wait_for_connection

log = logging.getLogger("chat.store")

LARGE_WRITE = 500_000  # bytes; a longer series of writes pauses after as many
_PAUSE = 0.15  # seconds; longer than SQLite waits between two attempts to get the lock
_alembic = threading.Lock()  # Alembic keeps the running migration in global variables
MERGE_PAGES = 2000  # pages of the search index that one transaction rewrites
SQLITE_LOCK_TIMEOUT = 15  # seconds
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|«[^»]*»")
MIGRATIONS = Path(__file__).parent / "migrations"


def make_engine(database_url: str, connections: int = MAX_CONNECTIONS) -> Engine:
    """Return an engine for `database_url`; create the folder of a SQLite file if it is missing.

    `connections` limits the connections to PostgreSQL.
    """
    url = parse_url(database_url)
    if url.get_backend_name() != "sqlite":
        return make_postgres_engine(url, connections)
    if url.database and _is_file(url):
        _create_private_file(str(url.database))
    # An in-memory database belongs to one connection, so threads share it one at a time.
    single = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_engine(
        url,
        hide_parameters=True,  # parameters hold message text, and errors are logged
        connect_args={"timeout": _lock_timeout(url), "check_same_thread": False},
        **({} if _is_file(url) else single),
    )
    install_corruption_handler(engine)
    event.listen(engine, "connect", _configure_sqlite)
    if _is_file(url) and not str(url.database).startswith("file:"):
        _reject_replaced_file(engine, Path(str(url.database)))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private_file(database: str) -> None:
    """Create the database file, readable by its owner only, if it is missing.

    SQLite gives its write-ahead log the same permissions. For an existing file, access is removed
    from other users but not from the group, which may be an operator's choice.
    """
    path = Path(database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if database.startswith("file:"):  # an SQLite URI, which may be read-only
        return
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        with contextlib.suppress(OSError):  # missing, or owned by another user
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & stat.S_IRWXO:
                file.chmod(mode & ~stat.S_IRWXO)
    with contextlib.suppress(OSError):  # SQLite reports a path that cannot be created
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))


def sqlite_path(database_url: str) -> Path | None:
    """Return the file of a SQLite database; None for PostgreSQL and for in-memory databases."""
    url = parse_url(database_url)
    if url.get_backend_name() != "sqlite" or not _is_file(url):
        return None
    return Path(url.database or "")


def _lock_timeout(url: URL) -> float:
    """Return how many seconds to wait for another writer."""
    return float(str(url.query.get("timeout", SQLITE_LOCK_TIMEOUT)))


def _reject_replaced_file(engine: Engine, path: Path) -> None:
    """Fail every transaction while the database file is moved away or replaced.

    Otherwise SQLite creates an empty file for new connections while open connections keep
    writing to the moved file.
    """
    known: list[tuple[int, int]] = []

    def identity() -> tuple[int, int]:
        try:
            found = path.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    def check(*_: object) -> None:
        if known and known[0] != identity():
            problem = sqlite3.OperationalError("the database file was moved or replaced")
            raise OperationalError(None, None, problem)

    def remember(*_: object) -> None:
        if not known:
            known.append(identity())

    event.listen(engine, "do_connect", check)
    event.listen(engine, "connect", remember)
    event.listen(engine, "begin", check)


def _is_file(url: URL) -> bool:
    return bool(url.database) and url.database != ":memory:"


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event emits BEGIN
    connection.text_factory = decode_text
    with translate_corruption():
        _enable_wal(connection)
        # secure_delete overwrites deleted content instead of leaving it in free pages.
        for pragma in ("foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")


def _enable_wal(connection: Any) -> None:
    """Switch the file to WAL mode, retrying while another connection does the same.

    SQLite's busy timeout does not cover this pragma.
    """
    pause, tries = threading.Event(), 200
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            tries -= 1
            if not tries or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            pause.wait(0.05)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    # In WAL mode NORMAL does not sync at a commit, so a power failure may undo it.
    level = "FULL" if options.get("durable", True) else "NORMAL"
    raw: Any = connection.connection.driver_connection
    raw.execute(f"PRAGMA synchronous={level}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def read_transaction(engine: Engine) -> Iterator[Session]:
    """Open a session in a short read-only transaction. Raises `StoreFailed` on database errors."""
    try:
        with blocking_io(), Session(engine) as session, session.begin():
            if engine.dialect.name == "postgresql":
                wait_for_connection(session.connection)
            yield session
    except SQLAlchemyError as error:
        log.error("the database failed: %s", error_summary(error))
        raise StoreFailed(details=type(error).__name__) from None


@contextmanager
def write_transaction(engine: Engine, *, durable: bool = True) -> Iterator[Session]:
    """Open a session in a short writing transaction. Raises `StoreFailed` on database errors.

    A commit that is not `durable` survives a crash of the process, but on SQLite not necessarily
    a power failure. It is cheaper: the disk is not synced.
    """
    with read_transaction(engine.execution_options(writes=True, durable=durable)) as session:
        yield session


def pause_between_writes() -> None:
    """Wait a moment in a long series of writes, so that others can take SQLite's write lock."""
    with blocking_io():
        threading.Event().wait(_PAUSE)


def error_summary(error: Exception) -> str:
    """Return the type and the first line of a database error, for the log.

    Drivers quote values of the row in quotation marks and on the following lines; both are left
    out.
    """
    original = getattr(error, "orig", None) or error
    first_line = (str(original).splitlines() or [""])[0]
    without_values = re.split("[\"'«]", _QUOTED.sub("…", first_line))[0]
    return f"{type(original).__name__}: {without_values[:200]}"


def scrub(engine: Engine) -> None:
    """Remove deleted content from SQLite's search index and write-ahead log.

    Does as much as concurrent readers allow. Errors are ignored: a later call repeats the work.
    """
    if engine.dialect.name != "sqlite":
        return
    with contextlib.suppress(SQLAlchemyError, sqlite3.Error):
        _merge_index(engine)
    checkpoint(engine)


def checkpoint(engine: Engine) -> None:
    """Checkpoint and truncate SQLite's write-ahead log without waiting for long readers.

    Errors are ignored: a later call repeats the work.
    """
    if engine.dialect.name != "sqlite":
        return
    with contextlib.suppress(SQLAlchemyError, sqlite3.Error), engine.connect() as connection:
        # The pragma cannot run inside a transaction, so it bypasses SQLAlchemy.
        raw: Any = connection.connection.driver_connection
        # A checkpoint that waits for a reader, such as a backup, blocks all writers until then.
        raw.execute("PRAGMA busy_timeout=100")
        try:
            with translate_corruption():
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.execute(f"PRAGMA busy_timeout={round(_lock_timeout(engine.url) * 1000)}")


def _merge_index(engine: Engine) -> None:
    """Merge the FTS5 index in small transactions; only a merge removes deleted words from it.

    The first call passes a negative page count, which makes FTS5 merge all segments.
    """
    pages = -MERGE_PAGES
    while True:
        with engine.execution_options(writes=True, durable=False).begin() as connection:
            raw: Any = connection.connection.driver_connection
            before = raw.total_changes
            connection.exec_driver_sql(
                "INSERT INTO search_words (search_words, rank) VALUES ('merge', ?)", (pages,)
            )
            if raw.total_changes - before < 2:  # FTS5: no work was left
                return
        pages = MERGE_PAGES


def newest_revision() -> str:
    """Return the number of the last migration file ("0001_first.py" is revision "0001")."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(engine: Engine, revision: str | None = None) -> None:
    """Migrate the database to `revision` (default: the newest) unless it is there already."""
    wanted = revision or newest_revision()
    with wait_for_connection(engine.connect) as connection:
        if current_revision(connection) == wanted:
            return
    with engine.execution_options(writes=True).begin() as connection:
        upgrade(connection, wanted)


def upgrade(connection: Connection, revision: str) -> None:
    """Run the migrations up to `revision` inside the caller's transaction.

    Raises `SettingsError` if the database was created by a newer version.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    if connection.dialect.name == "postgresql":  # two processes may start at the same time
        connection.execute(text("SELECT pg_advisory_xact_lock(7205759403)"))
    config.attributes["connection"] = connection
    try:
        with _alembic:
            command.upgrade(config, revision)
    except CommandError:
        problem = "the database at DATABASE_URL was made by a newer version of Parley"
        raise SettingsError([problem]) from None


def current_revision(connection: Connection) -> str | None:
    """Return the database's schema revision; None before the first migration."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

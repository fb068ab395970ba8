"""Opens the database: one engine, SQLite told to be safe with many threads, migrations at start.

Writers on SQLite take the lock when they begin (`BEGIN IMMEDIATE`): a transaction that reads
first and writes later would otherwise fail with "database is locked" instead of waiting.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from chat.errors import SettingsError, StoreFailed
from chat.store.corruption import damage_told, tell_damage

log = logging.getLogger("chat.store")

MERGED = 2000  # pages of the index that one transaction rewrites
WAIT = 15  # seconds for SQLite's lock
# A PostgreSQL that vanished, machine and all, says nothing more: noticed within half a minute.
NOTICED = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds; keepalives are not sent while words are on the way
}
MIGRATIONS = Path(__file__).parent / "migrations"


def make_engine(database_url: str) -> Engine:
    """An engine for `database_url`; the folder of a SQLite file is made when it is missing."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        is_postgres = url.get_backend_name() == "postgresql"
        engine = create_engine(
            url,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=_unless_said(url) if is_postgres else {},
        )
        if is_postgres:
            event.listen(engine, "connect", _prepare_postgres)
        return engine
    if url.database and _is_file(url):
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # What lies in memory belongs to its one connection: everybody takes turns.
    alone = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_engine(
        url,
        hide_parameters=True,  # they are people's words, and errors are logged
        connect_args={"timeout": _patience(url), "check_same_thread": False},
        **({} if _is_file(url) else alone),
    )
    tell_damage(engine)
    event.listen(engine, "connect", _prepare_sqlite)
    if _is_file(url) and not str(url.database).startswith("file:"):
        _stay_with_file(engine, Path(str(url.database)))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _unless_said(url: URL) -> dict[str, int]:
    """What the address does not say itself: it would be overruled."""
    return {name: value for name, value in NOTICED.items() if name not in url.query}


def place_of(database_url: str) -> Path | None:
    """The file of a SQLite database; None for any other."""
    url = make_url(database_url)
    is_here = url.get_backend_name() == "sqlite" and _is_file(url)
    return Path(url.database or "") if is_here else None


def _patience(url: URL) -> float:
    """Seconds to wait for another process that writes."""
    return float(str(url.query.get("timeout", WAIT)))


def _stay_with_file(engine: Engine, path: Path) -> None:
    """Refuse to work when the file was moved away or replaced, until it is back.

    SQLite would make a new, empty one for the next connection, and write on into the moved one
    with the others.
    """
    known: list[tuple[int, int]] = []

    def identity() -> tuple[int, int]:
        try:
            found = path.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    def look(*_: object) -> None:
        if known and known[0] != identity():
            problem = sqlite3.OperationalError("its file was moved or replaced")
            raise OperationalError(None, None, problem)

    def remember(*_: object) -> None:
        if not known:
            known.append(identity())

    event.listen(engine, "do_connect", look)
    event.listen(engine, "connect", remember)
    event.listen(engine, "begin", look)


def _is_file(url: URL) -> bool:
    return bool(url.database) and url.database != ":memory:"


def _prepare_postgres(connection: Any, _record: object) -> None:
    """Whoever stands still in a transaction, or lost the network, holds its locks no longer."""
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event decides how to begin
    with damage_told():
        _write_ahead(connection)
        # secure_delete: what was deleted for good is overwritten, not just forgotten.
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Switch a new file to WAL. SQLite does not wait by itself when two do so at once."""
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
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A short transaction that only reads. Raises `StoreFailed` when the database does."""
    try:
        with Session(engine) as session, session.begin():
            yield session
    except SQLAlchemyError as error:
        log.error("the database failed: %s", cause(error))
        raise StoreFailed(details=type(error).__name__) from None


def cause(error: Exception) -> str:
    """What happened, without what was to be stored: some drivers quote the row further down."""
    told = getattr(error, "orig", None) or error
    return f"{type(told).__name__}: {(str(told).splitlines() or [''])[0][:200]}"


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A short transaction that writes; all of it is stored, or nothing. Raises `StoreFailed`."""
    with reading(engine.execution_options(writes=True)) as session:
        yield session


def scrub(engine: Engine) -> None:
    """Take what was deleted out of SQLite's log too, as far as nobody is reading it just now."""
    if engine.dialect.name != "sqlite":
        return
    # If it fails, because somebody else writes say, a later one does it.
    with contextlib.suppress(SQLAlchemyError, sqlite3.Error):
        _merge_index(engine)
    checkpoint(engine)


def checkpoint(engine: Engine) -> None:
    """Empty SQLite's log, as far as nobody reads it just now: nobody waits for a long reader."""
    if engine.dialect.name != "sqlite":
        return
    with contextlib.suppress(SQLAlchemyError, sqlite3.Error), engine.connect() as connection:
        # The pragma cannot run inside a transaction. If it fails, a later one does it.
        raw: Any = connection.connection.driver_connection
        # It would keep writers out for as long as it waits for whoever reads, such as a backup.
        raw.execute("PRAGMA busy_timeout=100")
        try:
            with damage_told():
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.execute(f"PRAGMA busy_timeout={round(_patience(engine.url) * 1000)}")


def _merge_index(engine: Engine) -> None:
    """Rewrite the index of words a piece at a time: only then deleted words leave its pages."""
    pages = -MERGED  # less than zero: begin with everything there is
    while True:
        with engine.execution_options(writes=True).begin() as connection:
            raw: Any = connection.connection.driver_connection
            before = raw.total_changes
            connection.exec_driver_sql(
                "INSERT INTO search_words (search_words, rank) VALUES ('merge', ?)", (pages,)
            )
            if raw.total_changes - before < 2:
                return
        pages = MERGED


def newest_revision() -> str:
    """The number of the last migration file ("0001_first.py" is revision "0001")."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(engine: Engine, revision: str | None = None) -> None:
    """Bring the database to `revision` (default: the newest). Does nothing when it is there."""
    wanted = revision or newest_revision()
    with engine.connect() as connection:
        if current_revision(connection) == wanted:
            return
    with engine.execution_options(writes=True).begin() as connection:
        upgrade(connection, wanted)


def upgrade(connection: Connection, revision: str) -> None:
    """The same inside of a transaction, which is the caller's."""
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    if connection.dialect.name == "postgresql":  # two processes may start at once
        connection.execute(text("SELECT pg_advisory_xact_lock(7205759403)"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError:
        problem = "the database at DATABASE_URL was made by a newer version of Parley"
        raise SettingsError([problem]) from None


def current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

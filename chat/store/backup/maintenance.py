"""The database as whoever runs Parley sees it: opened as it is, not brought to another version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from chat.errors import SettingsError, StoreFailed
from chat.store import doctor
from chat.store.backup import backup
from chat.store.backup import restore as restoring
from chat.store.corruption import is_unusable, open_failure_message
from chat.store.doctor import Finding, Signs
from chat.store.engine import error_summary, make_engine, newest_revision, sqlite_path
from chat.store.ledger import LedgerStore
from chat.store.probe import inspect_database
from chat.store.replies import ReplyStore


class Database:
    def __init__(self, engine: Engine, revision: str | None) -> None:
        self._engine, self._revision = engine, revision

    def back_up(self, file: Path) -> int:
        return backup.back_up(self._engine, file)

    def examine(self, signs: Signs, *, repairs: bool) -> Iterator[Finding]:
        """Raises `SettingsError` for a database of another version, and `StoreFailed`."""
        if self._revision != newest_revision():
            raise SettingsError(
                ["the database is of another version: start this version of Parley once"]
            )
        yield from doctor.examine(self._engine, signs, repairs=repairs)


@contextmanager
def opened(database_url: str) -> Iterator[Database]:
    """Raises `SettingsError` when there is no such database, and `StoreFailed`."""
    try:
        place = sqlite_path(database_url)
        if place is not None and not place.exists():
            raise SettingsError(["there is no database at DATABASE_URL"])
        found = inspect_database(database_url)
        engine = make_engine(database_url)
    except (ArgumentError, OSError, ImportError) as error:  # an address that cannot be right
        raise SettingsError([open_failure_message(error)]) from None
    except SQLAlchemyError as error:
        if is_unusable(error):
            raise SettingsError([open_failure_message(error)]) from None
        raise StoreFailed(details=error_summary(error)) from None
    if not found.is_parley:
        raise SettingsError(["what lies at DATABASE_URL is not a database of Parley"])
    try:
        yield Database(engine, found.revision)
    finally:
        engine.dispose()


def name_of(database_url: str) -> str:
    """Which database that is, to be told: nobody's name or password, wherever they stand."""
    try:
        if (place := sqlite_path(database_url)) is not None:
            return str(place.absolute())
        url = make_url(database_url)
    except SQLAlchemyError:
        return "DATABASE_URL cannot be read"
    kind = url.get_backend_name()
    query = {name: value for name, value in url.query.items() if name == "host"}
    named = str(URL.create(kind, None, None, url.host, url.port, url.database, query))
    return kind if "@" in named or "%40" in named else named  # the rest of a password with an @


def restore(
    file: Path, database_url: str, at: datetime, *, replaces: bool, signs: Signs
) -> Path | None:
    """See `chat.store.backup.restore`; replies and calls that were running then are ended."""

    def interrupt(engine: Engine) -> None:
        ledger = LedgerStore(engine)
        ReplyStore(engine, ledger).interrupt_abandoned(signs.is_abandoned, signs.cost)
        ledger.end_abandoned(signs.is_lost, signs.cost)

    return restoring.restore(file, database_url, at, replaces=replaces, finish=interrupt)

"""What lies at an address, seen without changing it: not even a SQLite file becomes one with a log.

It may be no database of Parley: the address may be wrong, and what is there somebody else's.
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

from chat.store.corruption import cannot_open, tell_damage
from chat.store.engine import current_revision, make_engine, newest_revision, place_of
from chat.store.schema import Base

_OURS = re.compile(r"\d{4}")  # other programs number their revisions, too


@dataclass(frozen=True, slots=True)
class Found:
    revision: str | None  # None: nothing was made there yet
    in_the_way: tuple[str, ...]  # tables of something else, beside which ours cannot stand

    @property
    def is_ours(self) -> bool:
        return self.revision is not None and bool(_OURS.fullmatch(self.revision))

    def problems(self) -> list[str]:
        """Why Parley does not start on it."""
        if self.in_the_way or not (self.is_ours or self.revision is None):
            return ["the database at DATABASE_URL is not one of Parley: it holds something else"]
        if self.revision is not None and self.revision > newest_revision():
            return ["the database at DATABASE_URL was made by a newer version of Parley"]
        return []


def look(database_url: str) -> Found:
    """Raises what the database and its driver do."""
    is_file = make_url(database_url).get_backend_name() == "sqlite"
    place = place_of(database_url)
    if is_file and (place is None or not place.exists()):
        return Found(None, ())
    if place is not None and not place.is_file():
        raise FileNotFoundError(place)  # SQLite would take an empty device for a new database
    is_broken_off = Path(f"{place}-journal").exists()  # that has to be taken back before
    engine = make_engine(database_url) if place is None or is_broken_off else _reader(place)
    try:
        with engine.connect() as connection:
            return _found_in(connection)
    finally:
        engine.dispose()


def problems_of(database_url: str) -> list[str]:
    """What stands between Parley and its database; one that is not there yet will be made."""
    try:
        place = place_of(database_url)
        if place is not None and not str(place).startswith("file:") and not place.exists():
            _try_to_write(place.absolute().parent)
        return look(database_url).problems()
    except (SQLAlchemyError, OSError, ImportError) as error:
        return [cannot_open(error)]


def _try_to_write(folder: Path) -> None:
    while not folder.exists():
        folder = folder.parent
    with TemporaryDirectory(dir=folder):
        pass


def in_the_way(engine: Engine, database_url: str) -> list[str]:
    """What a start has to leave alone, as far as a look can tell: it is followed by a true one.

    Another process may be making a new file just now; what it has made so far is no damage.
    """
    if engine.dialect.name == "sqlite":
        with suppress(SQLAlchemyError, OSError):
            return look(database_url).problems()
        return []
    with engine.connect() as connection:
        return _found_in(connection).problems()


def _found_in(connection: Connection) -> Found:
    # In this order: another process may make all of them at once between the two.
    tables = set(inspect(connection).get_table_names()) - {"alembic_version"}
    if (revision := current_revision(connection)) is not None:
        return Found(revision, ())
    if connection.dialect.name == "sqlite":  # a file is nobody's or ours; _: of tools, for copies
        return Found(None, tuple(sorted(name for name in tables if not name.startswith("_"))))
    return Found(None, tuple(sorted(tables & set(Base.metadata.tables))))


def _reader(place: Path) -> Engine:
    how = {"mode": "ro", "uri": "true"}
    if not Path(f"{place}-wal").exists():
        how["immutable"] = "1"  # nobody writes; told so, SQLite puts no log beside it to read it
    url = URL.create("sqlite", database=f"file:{quote(str(place.absolute()))}", query=how)
    engine = create_engine(url, hide_parameters=True)
    tell_damage(engine)
    return engine

"""What lies at an address, seen without changing it: not even a SQLite file becomes one with a log.

It may be no database of Parley: the address may be wrong, and what is there somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, inspect

from chat.store.damage import tell_damage
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
    with _engine(database_url) as engine, engine.connect() as connection:
        return found_in(connection)


def found_in(connection: Connection) -> Found:
    if (revision := current_revision(connection)) is not None:
        return Found(revision, ())
    tables = set(inspect(connection).get_table_names()) - {"alembic_version"}
    if connection.dialect.name == "sqlite":  # a file is nobody's or ours; _: of tools, for copies
        return Found(None, tuple(sorted(name for name in tables if not name.startswith("_"))))
    return Found(None, tuple(sorted(tables & set(Base.metadata.tables))))


@contextmanager
def _engine(database_url: str) -> Iterator[Engine]:
    place = place_of(database_url)
    is_file = place is not None and not str(place).startswith("file:")
    engine = _reader(place) if place is not None and is_file else make_engine(database_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _reader(place: Path) -> Engine:
    if place.exists() and not place.is_file():
        raise IsADirectoryError(place)  # or a device: SQLite would take an empty one for new
    # Without a log nobody writes; else SQLite would put one beside the file to read it.
    alone = not any(Path(f"{place}{end}").exists() for end in ("-wal", "-journal"))
    options = "&immutable=1" if alone else ""
    path = quote(str(place.absolute()))
    engine = create_engine(f"sqlite:///file:{path}?mode=ro{options}&uri=true", hide_parameters=True)
    tell_damage(engine)
    return engine

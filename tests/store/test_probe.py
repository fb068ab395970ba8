"""What is no database of Parley is neither backed up, nor called fine, nor changed by a look."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, event, text

from chat.__main__ import main
from chat.errors import SettingsError
from chat.store import Store
from chat.store.engine import make_engine, newest_revision
from chat.store.probe import inspect_database, startup_problems
from tests.support.databases import postgres_database

SOMETHING_ELSE = "the database at DATABASE_URL is not one of Parley: it holds something else"
Told = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where DATABASE_URL points to; there is nothing yet."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "parley.db"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{place}")
    return place


def make(place: Path, *statements: str) -> None:
    with closing(sqlite3.connect(place)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


FOREIGN = {
    "empty": [],
    "notes": ["CREATE TABLE notes (x)", "INSERT INTO notes VALUES (1)"],
    "same name": ["CREATE TABLE messages (x)"],
    "another alembic": [
        "CREATE TABLE alembic_version (version_num)",
        "INSERT INTO alembic_version VALUES ('ae1027a6acf')",
        "CREATE TABLE users (x)",
    ],
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_ours_is_neither_backed_up_nor_examined(
    place: Path, kind: str, capsys: Told
) -> None:
    place.touch()
    make(place, *FOREIGN[kind])
    before = place.read_bytes()
    assert main(["backup", "copy.db"]) == 2
    assert "not a database of Parley" in capsys.readouterr().err
    assert [main(["doctor"]), main(["doctor", "--repair"])] == [2, 2]
    assert place.read_bytes() == before
    assert [file.name for file in place.parent.iterdir()] == [place.name]


def test_an_empty_postgresql_is_not_backed_up(
    postgres: URL, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    with postgres_database(postgres) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        assert main(["backup", "copy.db"]) == 2
    assert "not a database of Parley" in capsys.readouterr().err
    assert not Path("copy.db").exists()


@pytest.mark.parametrize("kind", [kind for kind in FOREIGN if kind != "empty"])
def test_what_is_not_ours_is_refused_by_the_check_as_by_a_start(
    place: Path, kind: str, capsys: Told
) -> None:
    make(place, *FOREIGN[kind])
    before = place.read_bytes()
    assert main(["check"]) == 1
    assert SOMETHING_ELSE in capsys.readouterr().out
    with pytest.raises(SettingsError, match=SOMETHING_ELSE):
        Store(f"sqlite:///{place}")
    assert place.read_bytes() == before


def test_beside_other_tables_of_a_postgresql_there_is_room_unless_they_have_our_names(
    postgres: URL, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    with postgres_database(postgres) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        engine = create_engine(url)
        for name, code in (("spatial_ref_sys", 0), ("messages", 1)):
            with engine.begin() as connection:
                connection.execute(text(f"CREATE TABLE {name} (x int)"))
            assert main(["check"]) == code
        with pytest.raises(SettingsError, match=SOMETHING_ELSE):
            Store(url)
        engine.dispose()


def test_a_check_changes_nothing(place: Path, migrated_file: Path) -> None:
    place.touch()
    assert main(["check"]) == 0  # a start fills it
    assert place.read_bytes() == b""
    shutil.copy(migrated_file, place)
    make(place, "PRAGMA journal_mode=DELETE")
    before = place.read_bytes()
    assert main(["check"]) == 0
    assert place.read_bytes() == before
    assert [file.name for file in place.parent.iterdir()] == [place.name]


@pytest.mark.parametrize("name", ["a b", "c#d", "e%25f"])
def test_a_look_goes_where_a_start_does(
    place: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{place.parent}/{name}/parley.db"
    monkeypatch.setenv("DATABASE_URL", url)
    Store(url).close()
    assert inspect_database(url).revision == newest_revision()
    assert [main(["check"]), main(["backup", "copy.db"])] == [0, 0]


def test_a_check_reads_what_is_in_the_log_only(place: Path, capsys: Told) -> None:
    store = Store(f"sqlite:///{place}")
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert main(["check"]) == 1
    assert "newer version" in capsys.readouterr().out
    store.close()


@pytest.mark.parametrize("kind", ["folder", "device", "below a file", "below the kernel"])
def test_what_cannot_be_opened_or_made_is_a_problem(
    place: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    if kind == "folder":
        place.mkdir()
    elif kind == "below a file":
        place.touch()
    path = {"device": Path("/dev/null"), "below the kernel": Path("/proc/nope/parley.db")}
    wrong = path.get(kind) or (place / "parley.db" if kind == "below a file" else place)
    url = f"sqlite:///{wrong}"
    monkeypatch.setenv("DATABASE_URL", url)
    if kind != "device":  # SQLite would leave a journal beside it
        with pytest.raises(SettingsError):
            Store(url)
    assert main(["check"]) == 1
    assert "DATABASE_URL cannot be opened" in capsys.readouterr().out


def test_a_check_leaves_no_folder_behind(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///data/more/parley.db")
    assert main(["check"]) == 0
    assert list(place.parent.iterdir()) == []


@pytest.mark.parametrize("empty_database_url", ["postgres"], indirect=True)
def test_what_another_process_makes_meanwhile_is_not_in_the_way(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    others = [lambda: Store(empty_database_url).close()]

    def meanwhile(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pg_catalog.pg_class" in statement and others:
            others.pop()()

    event.listen(engine, "after_cursor_execute", meanwhile)
    assert startup_problems(engine, empty_database_url) == []
    assert not others
    engine.dispose()

"""Databases of other programs are refused, and inspection does not change any database."""

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
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def database_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path that DATABASE_URL names; the file does not exist yet."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "parley.db"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{file}")
    return file


def execute(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
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
def test_backup_and_doctor_refuse_a_database_of_another_program(
    database_file: Path, kind: str, capsys: Output
) -> None:
    database_file.touch()
    execute(database_file, *FOREIGN[kind])
    before = database_file.read_bytes()
    assert main(["backup", "copy.db"]) == 2
    assert "not a database of Parley" in capsys.readouterr().err
    assert [main(["doctor"]), main(["doctor", "--repair"])] == [2, 2]
    assert database_file.read_bytes() == before
    assert [file.name for file in database_file.parent.iterdir()] == [database_file.name]


def test_backup_refuses_an_empty_postgresql_database(
    postgres: URL, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    with postgres_database(postgres) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        assert main(["backup", "copy.db"]) == 2
    assert "not a database of Parley" in capsys.readouterr().err
    assert not Path("copy.db").exists()


@pytest.mark.parametrize("kind", [kind for kind in FOREIGN if kind != "empty"])
def test_check_and_startup_refuse_a_database_of_another_program(
    database_file: Path, kind: str, capsys: Output
) -> None:
    execute(database_file, *FOREIGN[kind])
    before = database_file.read_bytes()
    assert main(["check"]) == 1
    assert SOMETHING_ELSE in capsys.readouterr().out
    with pytest.raises(SettingsError, match=SOMETHING_ELSE):
        Store(f"sqlite:///{database_file}")
    assert database_file.read_bytes() == before


def test_postgresql_database_may_contain_other_tables_without_name_conflicts(
    postgres: URL, monkeypatch: pytest.MonkeyPatch, capsys: Output
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


def test_check_does_not_change_the_database(database_file: Path, migrated_file: Path) -> None:
    database_file.touch()
    assert main(["check"]) == 0  # startup would migrate it
    assert database_file.read_bytes() == b""
    shutil.copy(migrated_file, database_file)
    execute(database_file, "PRAGMA journal_mode=DELETE")
    before = database_file.read_bytes()
    assert main(["check"]) == 0
    assert database_file.read_bytes() == before
    assert [file.name for file in database_file.parent.iterdir()] == [database_file.name]


@pytest.mark.parametrize("name", ["a b", "c#d", "e%25f"])
def test_inspection_opens_the_same_file_as_startup(
    database_file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{database_file.parent}/{name}/parley.db"
    monkeypatch.setenv("DATABASE_URL", url)
    Store(url).close()
    assert inspect_database(url).revision == newest_revision()
    assert [main(["check"]), main(["backup", "copy.db"])] == [0, 0]


def test_check_reads_uncheckpointed_changes_from_the_wal(
    database_file: Path, capsys: Output
) -> None:
    store = Store(f"sqlite:///{database_file}")
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert main(["check"]) == 1
    assert "newer version" in capsys.readouterr().out
    store.close()


@pytest.mark.parametrize("kind", ["folder", "device", "below a file", "below the kernel"])
def test_check_reports_a_path_that_cannot_be_opened_or_created(
    database_file: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    if kind == "folder":
        database_file.mkdir()
    elif kind == "below a file":
        database_file.touch()
    wrong = {
        "folder": database_file,
        "device": Path("/dev/null"),
        "below a file": database_file / "parley.db",
        "below the kernel": Path("/proc/nope/parley.db"),
    }[kind]
    url = f"sqlite:///{wrong}"
    monkeypatch.setenv("DATABASE_URL", url)
    if kind != "device":  # SQLite would leave a journal file beside it
        with pytest.raises(SettingsError):
            Store(url)
    assert main(["check"]) == 1
    assert "DATABASE_URL cannot be opened" in capsys.readouterr().out


def test_check_leaves_no_folder_behind(
    database_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///data/more/parley.db")
    assert main(["check"]) == 0
    assert list(database_file.parent.iterdir()) == []


@pytest.mark.parametrize("empty_database_url", ["postgres"], indirect=True)
def test_startup_accepts_tables_created_concurrently_by_another_process(
    empty_database_url: str,
) -> None:
    engine = make_engine(empty_database_url)
    migrations = [lambda: Store(empty_database_url).close()]

    def migrate_once(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pg_catalog.pg_class" in statement and migrations:
            migrations.pop()()

    event.listen(engine, "after_cursor_execute", migrate_once)
    assert startup_problems(engine, empty_database_url) == []
    assert not migrations
    engine.dispose()

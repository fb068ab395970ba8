"""What is no database of Parley is neither backed up, nor called fine, nor changed by a look."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL

from chat.__main__ import main
from tests.databases import postgres_database

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

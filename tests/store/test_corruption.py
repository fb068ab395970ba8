"""A SQLite file that is damaged so that even what SQLite says of it cannot be read."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chat import open_chat
from chat.__main__ import main
from chat.errors import BackupFailed, SettingsError, StoreFailed
from chat.store import Store
from chat.store.backup.restore import restore
from chat.store.engine import checkpoint

DAMAGED = "the database at DATABASE_URL is damaged, or no database at all"


def damage(place: Path) -> None:
    """SQLite quotes the name of what it cannot understand, and that is no UTF-8."""
    with closing(sqlite3.connect(place)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET name = CAST(x'8f94' AS TEXT), sql = 'CREATE TABLE' "
            "WHERE name = 'contents'"
        )
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute(f"PRAGMA schema_version = {version + 1}")  # so that others notice
        connection.commit()


@pytest.fixture
def place(migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "parley.db"
    shutil.copy(migrated_file, place)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{place}")
    return place


@pytest.mark.parametrize("command", ["doctor", "doctor --repair", "backup copy.db"])
def test_a_command_that_cannot_look_says_so(
    place: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(place)
    assert main(command.split()) == 2
    assert DAMAGED in capsys.readouterr().err


def test_neither_the_check_nor_a_start_trips_over_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(place)
    assert main(["check"]) == 1
    assert DAMAGED in capsys.readouterr().out
    with pytest.raises(SettingsError, match=DAMAGED):
        open_chat({"DATABASE_URL": f"sqlite:///{place}"}, providers=[])


def test_a_backup_takes_its_place(place: Path) -> None:
    assert main(["backup", "copy.db"]) == 0
    damage(place)
    url, at = f"sqlite:///{place}", datetime(2026, 5, 4, tzinfo=UTC)
    assert restore(Path("copy.db"), url, at, replaces=True, prepare=lambda _: None)
    Store(url).close()


def test_damage_while_parley_runs_is_a_failure_of_the_database(place: Path) -> None:
    store = Store(f"sqlite:///{place}")
    assert store.conversations.latest("visitor:ann", 1) == []
    damage(place)
    with pytest.raises(StoreFailed):
        store.conversations.latest("visitor:ann", 1)
    with pytest.raises(BackupFailed):
        store.back_up(place.with_name("copy.db"))
    checkpoint(store.engine)
    store.close()

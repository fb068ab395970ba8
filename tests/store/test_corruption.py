"""Corrupt SQLite files for which SQLite's error message is not valid UTF-8."""

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


def damage(file: Path) -> None:
    """Break the schema: SQLite quotes the name of the table, which is not valid UTF-8."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET name = CAST(x'8f94' AS TEXT), sql = 'CREATE TABLE' "
            "WHERE name = 'contents'"
        )
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute(f"PRAGMA schema_version = {version + 1}")  # invalidates cached schemas
        connection.commit()


@pytest.fixture
def database_file(migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "parley.db"
    shutil.copy(migrated_file, file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{file}")
    return file


@pytest.mark.parametrize("command", ["doctor", "doctor --repair", "backup copy.db"])
def test_commands_report_a_corrupt_database(
    database_file: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(database_file)
    assert main(command.split()) == 2
    assert DAMAGED in capsys.readouterr().err


def test_check_and_startup_report_a_corrupt_database(
    database_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(database_file)
    assert main(["check"]) == 1
    assert DAMAGED in capsys.readouterr().out
    with pytest.raises(SettingsError, match=DAMAGED):
        open_chat({"DATABASE_URL": f"sqlite:///{database_file}"}, providers=[])


def test_restore_replaces_a_corrupt_database(database_file: Path) -> None:
    assert main(["backup", "copy.db"]) == 0
    damage(database_file)
    url, at = f"sqlite:///{database_file}", datetime(2026, 5, 4, tzinfo=UTC)
    assert restore(Path("copy.db"), url, at, replaces=True, prepare=lambda _: None)
    Store(url).close()


def test_corruption_at_run_time_raises_store_failed(database_file: Path) -> None:
    store = Store(f"sqlite:///{database_file}")
    assert store.conversations.latest("visitor:ann", 1) == []
    damage(database_file)
    with pytest.raises(StoreFailed):
        store.conversations.latest("visitor:ann", 1)
    with pytest.raises(BackupFailed):
        store.back_up(database_file.with_name("copy.db"))
    checkpoint(store.engine)
    store.close()

"""A database that cannot be written is not ready, and the check says so."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from chat.__main__ import main
from chat.store import Store

POSTGRES = pytest.mark.parametrize("empty_database_url", ["postgres"], indirect=True)
Output = pytest.CaptureFixture[str]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 6 MB. Only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to write more than `size` bytes to a file, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_database_without_space_is_not_ready_until_there_is_some(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/parley.db")
    with largest_file(100_000):
        assert store.readiness() == "database"
    assert store.readiness() == ""
    assert {file.name for file in tmp_path.iterdir()} <= {
        "parley.db",
        "parley.db-wal",
        "parley.db-shm",
    }
    store.close()


def test_full_and_read_only_disk_are_not_ready_and_are_reported_by_check(
    disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(disk.parent)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{disk}/parley.db")
    store = Store(f"sqlite:///{disk}/parley.db")
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(bytes(6_000_000))
    assert store.readiness() == "database"
    assert main(["check"]) == 1
    assert "No space left on device" in capsys.readouterr().out
    filler.unlink()
    assert store.readiness() == ""
    assert main(["check"]) == 0
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    capsys.readouterr()
    assert main(["check"]) == 1
    assert "its file or disk is read-only" in capsys.readouterr().out
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{disk}/new.db")
    assert main(["check"]) == 1
    assert "Read-only file system" in capsys.readouterr().out


def test_in_memory_database_is_ready() -> None:
    store = Store("sqlite://")
    assert store.readiness() == ""
    store.close()


@POSTGRES
def test_postgresql_that_accepts_no_writes_is_not_ready(empty_database_url: str) -> None:
    store = Store(empty_database_url)
    assert store.readiness() == ""
    modes = ["on"]

    @event.listens_for(store.engine, "checkout")
    def restrict(connection: object, *_: object) -> None:
        connection.execute(f"SET default_transaction_read_only = {modes[0]}")  # type: ignore[attr-defined]
        connection.commit()  # type: ignore[attr-defined]

    assert store.readiness() == "database"
    modes[0] = "off"
    assert store.readiness() == ""
    store.close()


def test_check_changes_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/parley.db")
    Store(f"sqlite:///{tmp_path}/parley.db").close()
    before = (tmp_path / "parley.db").read_bytes()
    assert main(["check"]) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["parley.db"]
    assert (tmp_path / "parley.db").read_bytes() == before
    with closing(sqlite3.connect(tmp_path / "parley.db")) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)

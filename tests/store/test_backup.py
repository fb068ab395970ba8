"""Backups are complete, atomic, private and restorable."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from chat import ChatService, File, Submission, open_chat
from chat.config.settings import read_settings
from chat.errors import BackupFailed, RestoreRefused
from chat.services import database_admin
from chat.store import Store
from chat.store.backup.backup import back_up
from chat.store.backup.restore import restore
from chat.store.engine import make_engine, migrate
from tests.support.scripted_provider import ScriptedProvider

ANN = "visitor:ann"
AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
TABLE = b"animal,legs\nokapi,4\n"


@pytest.fixture
def service(database_url: str, provider: ScriptedProvider) -> Iterator[ChatService]:
    """A service that a test may close before a restore."""
    opened = open_chat({"DATABASE_URL": database_url}, providers=[provider])
    yield opened
    if not opened.runtime.tasks.wait_for_close(0):
        opened.close()


ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def restore_backup(file: Path, url: str, *, replaces: bool = False) -> Path | None:
    return restore(file, url, AT, replaces=replaces, prepare=lambda _: None)


def ask(service: ChatService, words: str, *files: File) -> str:
    answer = service.as_owner(ANN).messages.send(None, Submission(words, files))
    list(service.as_owner(ANN).messages.follow(answer.id))
    return answer.conversation_id


def test_backup_under_load_contains_every_message_acknowledged_before(
    service: ChatService, tmp_path: Path, provider: ScriptedProvider
) -> None:
    acknowledged: list[str] = []
    has_enough, is_over = threading.Event(), threading.Event()

    def talk(owner: str) -> None:
        while not is_over.is_set():
            answer = service.as_owner(owner).messages.send(
                None, Submission("Hello", (File("a.csv", TABLE),))
            )
            acknowledged.append(answer.id)
            if len(acknowledged) >= 12:
                has_enough.set()
            list(service.as_owner(owner).messages.follow(answer.id))

    threads = [threading.Thread(target=talk, args=(f"visitor:{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    assert has_enough.wait(20)
    before = list(acknowledged)
    back_up(service.space.store.engine, tmp_path / "copy.db")
    is_over.set()
    for thread in threads:
        thread.join()
    restored = f"sqlite:///{tmp_path / 'restored.db'}"
    settings = read_settings({"DATABASE_URL": restored})
    assert database_admin.restore(settings, tmp_path / "copy.db", AT, replaces=False) is None
    assert [each for each in database_admin.examine(settings, repairs=False) if each.ids] == []
    store = Store(restored)
    with store.engine.connect() as connection:
        found = set(connection.execute(text("SELECT id FROM messages")).scalars())
        words = connection.execute(text("SELECT count(*) FROM search_rows")).scalar_one()
        files = connection.execute(text("SELECT count(*) FROM attachments")).scalar_one()
    store.close()
    assert set(before) <= found
    assert len(found) == 2 * files, "a question is stored together with its file and its answer"
    assert words >= len(found)


def test_backup_is_restored_completely_into_sqlite_and_postgresql(
    service: ChatService, database_url: str, tmp_path: Path, provider: ScriptedProvider
) -> None:
    provider.say("The **okapi** has four legs.", "Other words.")
    id_ = ask(service, "How many legs?", File("a.csv", TABLE))
    answer = service.as_owner(ANN).conversations.open(id_).messages[-1]
    list(service.as_owner(ANN).messages.follow(service.as_owner(ANN).messages.retry(answer.id).id))
    service.as_owner(ANN).conversations.pin(id_)
    before = service.as_owner(ANN).conversations.open(id_)
    back_up(service.space.store.engine, tmp_path / "copy.db")
    service.close()
    replaced = restore_backup(tmp_path / "copy.db", database_url, replaces=True)
    assert replaced is not None and replaced.stat().st_size
    again = open_chat({"DATABASE_URL": database_url}, providers=[provider])
    assert again.as_owner(ANN).conversations.open(id_).messages == before.messages
    assert [each.id for each in again.as_owner(ANN).conversations.pinned()] == [id_]
    assert [hit.message_id for hit in again.as_owner(ANN).conversations.search("okapi")] == [
        answer.id
    ]
    assert [
        hit.conversation_id for hit in again.as_owner(ANN).conversations.search("How many has:file")
    ] == [id_]
    (file,) = again.as_owner(ANN).conversations.open(id_).messages[0].attachments
    assert again.as_owner(ANN).attachments.content(file.id) == TABLE
    list(
        again.as_owner(ANN).messages.follow(
            again.as_owner(ANN).messages.send(id_, Submission("And zebras?")).id
        )
    )
    again.close()


def test_backup_restores_messages_with_ids_smaller_than_their_parents(
    service: ChatService, database_url: str, tmp_path: Path
) -> None:
    """Imports keep ids of another instance, which may have had a different clock."""
    id_ = ask(service, "Hello")
    with service.space.store.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
            connection.execute(text("UPDATE messages SET id = 'zz' WHERE depth = 0"))
            connection.execute(text("UPDATE messages SET parent_id = 'zz' WHERE depth = 1"))
        else:
            connection.execute(text("UPDATE messages SET parent_id = NULL"))
            connection.execute(text("UPDATE messages SET id = 'zz' WHERE depth = 0"))
            connection.execute(text("UPDATE messages SET parent_id = 'zz' WHERE depth = 1"))
    back_up(service.space.store.engine, tmp_path / "copy.db")
    service.close()
    restore_backup(tmp_path / "copy.db", database_url, replaces=True)
    store = Store(database_url)
    leaf = store.conversations.get(ANN, id_).leaf_id
    assert leaf is not None and store.messages.get(ANN, leaf).parent_id == "zz"
    store.close()


def test_backup_is_one_private_file_written_atomically(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    size = back_up(store.engine, folder / "copy.db")
    assert [file.name for file in folder.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((folder / "copy.db").stat().st_mode) == 0o600
    assert (folder / "copy.db").stat().st_size == size
    with pytest.raises(BackupFailed, match="already"):
        back_up(store.engine, folder / "copy.db")
    with store.engine.begin() as connection:  # makes the backup fail halfway
        if store.engine.dialect.name == "sqlite":
            connection.execute(text("PRAGMA writable_schema=ON"))
            connection.execute(text("INSERT INTO sqlite_master VALUES ('index', 'x', 'x', 0, 'x')"))
        else:
            connection.execute(text("INSERT INTO banner (id, text) VALUES (1, 'Closed')"))
            connection.execute(text("ALTER TABLE banner RENAME COLUMN text TO other"))
    store.engine.dispose()
    with pytest.raises(BackupFailed):
        back_up(store.engine, folder / "another.db")
    assert [file.name for file in folder.iterdir()] == ["copy.db"]


@ON_SQLITE
def test_backup_does_not_contain_purged_text(
    service: ChatService, tmp_path: Path, provider: ScriptedProvider
) -> None:
    provider.say("A quagga.")
    id_ = ask(service, "Which animal is a secret?")
    service.as_owner(ANN).conversations.delete(id_)
    service.as_owner(ANN).conversations.purge(id_)
    back_up(service.space.store.engine, tmp_path / "copy.db")
    content = (tmp_path / "copy.db").read_bytes()
    assert b"quagga" not in content and b"secret" not in content


def test_restore_refuses_a_database_with_rows_without_replace(
    service: ChatService, database_url: str, tmp_path: Path
) -> None:
    id_ = ask(service, "Hello")
    back_up(service.space.store.engine, tmp_path / "copy.db")
    newer = ask(service, "Newer")
    service.close()
    with pytest.raises(RestoreRefused, match="--replace"):
        restore_backup(tmp_path / "copy.db", database_url)
    replaced = restore_backup(tmp_path / "copy.db", database_url, replaces=True)
    store = Store(database_url)
    assert [each.id for each in store.conversations.latest(ANN)] == [id_]
    store.close()
    before = Store(f"sqlite:///{replaced}")
    assert [each.id for each in before.conversations.latest(ANN)] == [newer, id_]
    before.close()


@ON_SQLITE
def test_restore_refuses_a_sqlite_database_in_use(
    service: ChatService, database_url: str, tmp_path: Path
) -> None:
    ask(service, "Hello")
    back_up(service.space.store.engine, tmp_path / "copy.db")
    with pytest.raises(RestoreRefused, match="in use"):
        restore_backup(tmp_path / "copy.db", database_url, replaces=True)
    assert len(service.as_owner(ANN).conversations.latest()) == 1


def test_restore_replaces_a_corrupt_database_and_keeps_its_file(
    migrated_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "parley.db"
    path.write_bytes(b"SQLite format 3\x00" + b"no database any more" * 300)
    damaged = path.read_bytes()
    shutil.copy(migrated_file, tmp_path / "copy.db")
    replaced = restore_backup(tmp_path / "copy.db", f"sqlite:///{path}", replaces=True)
    assert replaced is not None and replaced.read_bytes() == damaged
    Store(f"sqlite:///{path}").close()


@ON_SQLITE
def test_purge_does_not_wait_for_a_long_reader(
    service: ChatService,
) -> None:
    """A backup is a long reader; writers would wait for the purge."""
    id_ = ask(service, "Hello")
    service.as_owner(ANN).conversations.delete(id_)
    with service.space.store.engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM messages"))
        begun = time.monotonic()
        service.as_owner(ANN).conversations.purge(id_)
        assert time.monotonic() - begun < 8
    assert service.as_owner(ANN).conversations.deleted() == []


def test_restore_migrates_a_backup_of_an_older_version(
    empty_database_url: str, tmp_path: Path
) -> None:
    old = make_engine(f"sqlite:///{tmp_path / 'old.db'}")
    migrate(old, "0003")
    with old.begin() as connection:
        connection.execute(text(
            "INSERT INTO conversations (id, owner, title, system_prompt, created_at, updated_at)"
            " VALUES ('a', 'visitor:ann', 'Old words', '', '2024-01-01 00:00:00.000000',"
            " '2024-01-01 00:00:00.000000')"
        ))  # fmt: skip
    old.dispose()
    url = empty_database_url.replace("parley.db", "new.db")
    assert restore_backup(tmp_path / "old.db", url) is None
    store = Store(url)
    (found,) = store.conversations.latest(ANN)
    assert (found.title, found.created_at) == ("Old words", datetime(2024, 1, 1, tzinfo=UTC))
    store.close()


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "other", "newer"])
def test_restore_refuses_files_that_are_no_valid_backup(
    kind: str, tmp_path: Path, migrated_file: Path
) -> None:
    file = tmp_path / "copy.db"
    whole = migrated_file.read_bytes()
    if kind == "text":
        file.write_text("hello")
    elif kind == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif kind == "other":
        sqlite3.connect(file).execute("CREATE TABLE a (b)").connection.close()
    elif kind == "newer":
        file.write_bytes(whole)
        made = sqlite3.connect(file, isolation_level=None)
        made.execute("UPDATE alembic_version SET version_num = '9999'")
        made.close()
    with pytest.raises(RestoreRefused):
        restore_backup(file, f"sqlite:///{tmp_path / 'new.db'}")
    assert not (tmp_path / "new.db").exists()
    assert kind == "missing" or [each.name for each in tmp_path.iterdir()] == ["copy.db"]

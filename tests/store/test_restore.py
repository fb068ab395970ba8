"""Restores are exclusive: no concurrent write is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from chat.domain.ids import new_id
from chat.domain.message import Status
from chat.domain.writes import NewAnswer, NewQuestion
from chat.errors import RestoreRefused, StoreFailed
from chat.store import Outcome, Store
from chat.store.backup.backup import back_up
from chat.store.backup.restore import restore
from chat.store.engine import current_revision, make_engine, migrate

ANN = "visitor:ann"
AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
OLD = "'2024-01-01 00:00:00.000000+00:00'"
ROW = (
    "INSERT INTO conversations (id, owner, title, system_prompt, created_at, updated_at)"
    f" VALUES ('late', '{ANN}', 'Late', '', {OLD}, {OLD})"
)
ON_POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def restore_backup(file: Path, url: str, *, replaces: bool = True) -> Path | None:
    return restore(file, url, AT, replaces=replaces, prepare=lambda _: None)


def ask(url: str, words: str) -> str:
    store = Store(url)
    sent = store.messages.send(
        ANN, None, NewQuestion(words, 1, True), NewAnswer(new_id(), "scripted/one", "w")
    )
    store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, "Done"))
    store.close()
    return sent.conversation_id


def conversation_ids(url: str) -> list[str]:
    engine = make_engine(url)
    with engine.connect() as connection:
        found = list(connection.scalars(text("SELECT id FROM conversations ORDER BY id")))
    engine.dispose()
    return found


@pytest.fixture
def copy(migrated_file: Path, tmp_path: Path) -> Path:
    """Return an empty backup."""
    engine = make_engine(f"sqlite:///{migrated_file}")
    back_up(engine, tmp_path / "copy.db")
    engine.dispose()
    return tmp_path / "copy.db"


@ON_POSTGRES
def test_restore_is_refused_while_another_client_is_connected(
    database_url: str, copy: Path
) -> None:
    id_ = ask(database_url, "Hello")
    other = create_engine(database_url)
    other.connect().close()  # returns to the pool and stays connected
    with pytest.raises(RestoreRefused, match=r"in use \(\d+ other connection"):
        restore(copy, database_url, AT, replaces=True, prepare=lambda _: None, sleep=lambda _: None)
    other.dispose()
    assert conversation_ids(database_url) == [id_]
    assert not list(copy.parent.glob("*before*"))


@ON_POSTGRES
def test_restore_waits_for_disconnecting_clients(
    database_url: str, copy: Path, postgres: URL
) -> None:
    ask(database_url, "Hello")
    other, server = create_engine(database_url), create_engine(postgres)
    with other.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    seen = text(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")

    def disconnect(_: float) -> None:
        other.dispose()
        with server.connect() as connection:
            while connection.execute(seen).scalar_one():
                connection.rollback()

    assert restore(copy, database_url, AT, replaces=True, prepare=lambda _: None, sleep=disconnect)
    server.dispose()
    assert conversation_ids(database_url) == []


@ON_POSTGRES
def test_restore_locks_the_database_until_the_backup_is_in_place(
    database_url: str, copy: Path
) -> None:
    ask(database_url, "Hello")
    attempts: list[str] = []

    def write_concurrently(_: Engine) -> None:
        late = create_engine(database_url)
        with late.connect() as connection:
            connection.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                connection.execute(text(ROW))
            attempts.append("late")
        late.dispose()

    restore(copy, database_url, AT, replaces=True, prepare=write_concurrently)
    assert attempts and conversation_ids(database_url) == []


def test_failed_restore_leaves_data_and_revision_unchanged(
    empty_database_url: str, copy: Path
) -> None:
    """The revision matters, since an older Parley may continue to use the database."""
    old = make_engine(empty_database_url)
    migrate(old, "0003")
    with old.begin() as connection:
        connection.execute(text(ROW))
    old.dispose()
    with pytest.raises(RestoreRefused, match="--replace"):
        restore_backup(copy, empty_database_url, replaces=False)

    def spoil(copied: Engine) -> None:
        """Add a row that PostgreSQL rejects, or a folder that blocks the renaming of the file."""
        with copied.begin() as connection:
            connection.execute(text(ROW.replace(f"'{ANN}'", f"'{'x' * 200}'")))
        if old.dialect.name == "sqlite":
            Path(f"{old.url.database}.before-20260504-120000").mkdir()

    with pytest.raises((StoreFailed, RestoreRefused)):
        restore(copy, empty_database_url, AT, replaces=True, prepare=spoil)
    with old.connect() as connection:
        assert current_revision(connection) == "0003"
        assert connection.execute(text("SELECT id FROM conversations")).scalars().all() == ["late"]
    old.dispose()


def test_restore_keeps_the_replaced_database_at_its_revision(
    empty_database_url: str, copy: Path
) -> None:
    old = make_engine(empty_database_url)
    migrate(old, "0003")
    with old.begin() as connection:
        connection.execute(text(ROW))
    old.dispose()
    replaced = restore_backup(copy, empty_database_url)
    assert conversation_ids(empty_database_url) == [] and conversation_ids(
        f"sqlite:///{replaced}"
    ) == ["late"]
    before = make_engine(f"sqlite:///{replaced}")
    with before.connect() as connection:
        assert current_revision(connection) == "0003"
    before.dispose()
    ask(empty_database_url, "Hello again")


@ON_SQLITE
@pytest.mark.parametrize("is_there", [True, False])
def test_restore_is_refused_when_a_client_opens_the_file_during_it(
    database_url: str, copy: Path, is_there: bool
) -> None:
    url = database_url if is_there else database_url.replace("parley.db", "new.db")
    opened: list[Store] = []

    def write_concurrently(_: Engine) -> None:
        store = Store(url)
        store.messages.send(
            ANN, None, NewQuestion("Hello", 1, True), NewAnswer(new_id(), "scripted/one", "w")
        )
        opened.append(store)

    with pytest.raises(RestoreRefused, match="in use"):
        restore(copy, url, AT, replaces=True, prepare=write_concurrently)
    assert len(opened[0].conversations.latest(ANN)) == 1
    opened[0].close()
    assert len(conversation_ids(url)) == 1

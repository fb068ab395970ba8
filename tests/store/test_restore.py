"""A restore has the database for itself: nothing that others store meanwhile is lost by it."""

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


def put_back(file: Path, url: str, *, replaces: bool = True) -> Path | None:
    return restore(file, url, AT, replaces=replaces, prepare=lambda _: None)


def ask(url: str, words: str) -> str:
    store = Store(url)
    sent = store.messages.send(
        ANN, None, NewQuestion(words, 1, True), NewAnswer(new_id(), "scripted/one", "w")
    )
    store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, "Done"))
    store.close()
    return sent.conversation_id


def held(url: str) -> list[str]:
    engine = make_engine(url)
    with engine.connect() as connection:
        found = list(connection.scalars(text("SELECT id FROM conversations ORDER BY id")))
    engine.dispose()
    return found


@pytest.fixture
def copy(migrated_file: Path, tmp_path: Path) -> Path:
    """A backup that holds nothing."""
    engine = make_engine(f"sqlite:///{migrated_file}")
    back_up(engine, tmp_path / "copy.db")
    engine.dispose()
    return tmp_path / "copy.db"


@ON_POSTGRES
def test_nothing_is_restored_below_somebody_who_is_connected(database_url: str, copy: Path) -> None:
    id_ = ask(database_url, "Hello")
    other = create_engine(database_url)
    other.connect().close()  # to the pool: it stays connected
    with pytest.raises(RestoreRefused, match=r"in use \(\d+ other connection"):
        restore(copy, database_url, AT, replaces=True, prepare=lambda _: None, sleep=lambda _: None)
    other.dispose()
    assert held(database_url) == [id_]
    assert not list(copy.parent.glob("*before*"))


@ON_POSTGRES
def test_who_is_just_leaving_is_waited_for(database_url: str, copy: Path, postgres: URL) -> None:
    ask(database_url, "Hello")
    other, server = create_engine(database_url), create_engine(postgres)
    with other.connect() as guest:
        pid = guest.execute(text("SELECT pg_backend_pid()")).scalar_one()
    seen = text(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")

    def leave(_: float) -> None:
        other.dispose()
        with server.connect() as connection:
            while connection.execute(seen).scalar_one():
                connection.rollback()

    assert restore(copy, database_url, AT, replaces=True, prepare=lambda _: None, sleep=leave)
    server.dispose()
    assert held(database_url) == []


@ON_POSTGRES
def test_nobody_writes_between_what_is_kept_and_what_is_put_back(
    database_url: str, copy: Path
) -> None:
    ask(database_url, "Hello")
    tried: list[str] = []

    def come_late(_: Engine) -> None:
        late = create_engine(database_url)
        with late.connect() as connection:
            connection.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                connection.execute(text(ROW))
            tried.append("late")
        late.dispose()

    restore(copy, database_url, AT, replaces=True, prepare=come_late)
    assert tried and held(database_url) == []


def test_a_restore_that_fails_in_the_middle_leaves_what_was_there(
    empty_database_url: str, copy: Path
) -> None:
    """Also its version: an older one of Parley may have to go on with it."""
    old = make_engine(empty_database_url)
    migrate(old, "0003")
    with old.begin() as connection:
        connection.execute(text(ROW))
    old.dispose()
    with pytest.raises(RestoreRefused, match="--replace"):
        put_back(copy, empty_database_url, replaces=False)

    def spoil(copied: Engine) -> None:
        """With what PostgreSQL does not take, and what is in the way of a file."""
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


def test_an_older_database_is_kept_as_it_was(empty_database_url: str, copy: Path) -> None:
    old = make_engine(empty_database_url)
    migrate(old, "0003")
    with old.begin() as connection:
        connection.execute(text(ROW))
    old.dispose()
    kept = put_back(copy, empty_database_url)
    assert held(empty_database_url) == [] and held(f"sqlite:///{kept}") == ["late"]
    before = make_engine(f"sqlite:///{kept}")
    with before.connect() as connection:
        assert current_revision(connection) == "0003"
    before.dispose()
    ask(empty_database_url, "It goes on")


@ON_SQLITE
@pytest.mark.parametrize("is_there", [True, False])
def test_who_opens_the_file_meanwhile_is_not_left_without_it(
    database_url: str, copy: Path, is_there: bool
) -> None:
    url = database_url if is_there else database_url.replace("parley.db", "new.db")
    came: list[Store] = []

    def come_late(_: Engine) -> None:
        store = Store(url)
        store.messages.send(
            ANN, None, NewQuestion("Hello", 1, True), NewAnswer(new_id(), "scripted/one", "w")
        )
        came.append(store)

    with pytest.raises(RestoreRefused, match="in use"):
        restore(copy, url, AT, replaces=True, prepare=come_late)
    assert len(came[0].conversations.latest(ANN)) == 1
    came[0].close()
    assert len(held(url)) == 1

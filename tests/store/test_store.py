"""Migrations, concurrent writes, message paths and database errors."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, text
from sqlalchemy.engine import make_url

from chat.domain.ids import new_id
from chat.domain.message import Role, Status
from chat.domain.writes import NewAnswer, NewQuestion
from chat.errors import ReplyRunning, SettingsError, StoreFailed
from chat.store import Outcome, Store
from chat.store.engine import MIGRATIONS, error_summary, make_engine, migrate, newest_revision
from chat.store.schema import Base
from tests.support.path_steps import path_step

ME = "visitor:me"


def question(words: str = "Hello") -> NewQuestion:
    return NewQuestion(words, tokens=1, is_exact=True)


def answer(worker: str = "w") -> NewAnswer:
    return NewAnswer(new_id(), "scripted/one", worker)


def revisions() -> list[str]:
    return sorted(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


@pytest.mark.parametrize("first", revisions())
def test_every_released_revision_migrates_to_the_newest(
    empty_database_url: str, first: str
) -> None:
    engine = make_engine(empty_database_url)
    migrate(engine, first)
    migrate(engine)
    tables = inspect(engine)
    for table in Base.metadata.sorted_tables:
        stored = {column["name"] for column in tables.get_columns(table.name)}
        assert stored == {column.name for column in table.columns}
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    assert found == newest_revision()
    engine.dispose()


def test_concurrent_opening_migrates_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(Store, [empty_database_url] * 4))
    for store in stores:
        assert store.conversations.latest(ME) == []
        store.close()


def test_concurrent_writers_wait_for_each_other(store: Store) -> None:
    def send(number: int) -> str:
        sent = store.messages.send(f"owner {number}", None, question(), answer())
        store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, "Done"))
        return sent.conversation_id

    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(send, range(60)))
    assert len(set(ids)) == 60


def test_only_one_of_several_concurrent_sends_starts_a_reply(store: Store) -> None:
    first = store.messages.send(ME, None, question(), answer())
    store.replies.finish(first.id, "w", Outcome(Status.COMPLETE, "Done"))
    start = threading.Barrier(8)

    def send(_: int) -> bool:
        start.wait()
        try:
            store.messages.send(ME, first.conversation_id, question(), answer())
        except ReplyRunning:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(8))) == 1


def test_path_is_read_in_order_up_to_its_limit(store: Store) -> None:
    conversation = None
    for number in range(100):
        sent = store.messages.send(ME, conversation, question(f"question {number}"), answer())
        store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, f"answer {number}"))
        conversation = sent.conversation_id
    assert conversation is not None
    leaf = store.conversations.get(ME, conversation).leaf_id
    newest = store.messages.path(ME, conversation, leaf, 5)
    assert [m.text for m in newest] == [
        "answer 99",
        "question 99",
        "answer 98",
        "question 98",
        "answer 97",
    ]
    whole = list(store.messages.walk(ME, conversation, leaf))
    assert [m.depth for m in whole] == list(range(199, -1, -1))
    assert whole[-1].role is Role.USER and whole[-1].text == "question 0"
    assert list(store.messages.steps(ME, conversation, leaf)) == [path_step(each) for each in whole]
    assert list(store.messages.steps("visitor:other", conversation, leaf)) == []


def test_steps_are_read_in_consecutive_batches(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.store.messages.STEP_BATCH", 3)
    conversation = None
    for _ in range(4):
        sent = store.messages.send(ME, conversation, question(), answer())
        store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, "Done"))
        conversation = sent.conversation_id
    assert conversation is not None
    found = store.messages.steps(ME, conversation, sent.id)
    assert [each.depth for each in found] == list(range(7, -1, -1))


def test_steps_contain_text_only_if_tokens_are_unknown(store: Store) -> None:
    long = "many words " * 20
    sent = store.messages.send(ME, None, question(long), answer())
    store.replies.finish(sent.id, "w", Outcome(Status.INTERRUPTED, long))  # tokens were not counted
    uncounted, counted = store.messages.steps(ME, sent.conversation_id, sent.id)
    assert (uncounted.text, uncounted.tokens) == (long, 0)
    assert counted.tokens == 1 and counted.text and long not in counted.text
    texts = store.messages.sent_messages(ME, sent.conversation_id, counted.id, uncounted.id)
    assert [each.text for each in texts] == [long, long]
    assert (
        store.messages.sent_messages("visitor:other", sent.conversation_id, counted.id, sent.id)
        == []
    )


def test_leaf_is_found_after_the_clock_was_set_back(store: Store) -> None:
    """Later messages have smaller ids then."""
    sent = store.messages.send(
        ME, None, replace(question(), id="b1"), NewAnswer("b2", "scripted/one", "w")
    )
    store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, "Done"))
    id_ = sent.conversation_id
    later = NewAnswer("a2", "scripted/one", "w")
    store.messages.send(ME, id_, replace(question(), id="a1"), later)
    store.replies.finish(later.id, "w", Outcome(Status.COMPLETE, "Done"))
    other = NewAnswer("a3", "scripted/one", "w")
    store.messages.edit(ME, "b1", replace(question(), id="a0"), other)
    store.replies.finish(other.id, "w", Outcome(Status.COMPLETE, "Done"))
    for wanted, leaf in (("b2", "a2"), ("a0", "a3"), ("b1", "a2")):
        store.messages.show(ME, wanted)
        assert store.conversations.get(ME, id_).leaf_id == leaf


def test_save_stores_running_text_but_not_after_the_end(store: Store) -> None:
    sent = store.messages.send(ME, None, question(), answer())
    store.replies.save(sent.id, "w", "half", "thought")
    assert store.messages.get(ME, sent.id).text == "half"
    store.replies.save(sent.id, "another worker", "nonsense", "")
    assert store.messages.get(ME, sent.id).text == "half"
    store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, "whole"))
    store.replies.save(sent.id, "w", "half", "")
    assert store.messages.get(ME, sent.id).text == "whole"


def test_stored_times_are_timezone_aware(store: Store) -> None:
    sent = store.messages.send(ME, None, question(), answer())
    assert sent.created_at.tzinfo is not None
    assert store.messages.get(ME, sent.id).created_at == sent.created_at


def test_text_is_stored_unchanged(store: Store) -> None:
    words = "line\r\n\ttab 'quote' \"double\" \\ % _ 漢字 🙂 \u202e end"
    sent = store.messages.send(ME, None, question(words), answer())
    asked = store.messages.path(ME, sent.conversation_id, sent.id, 2)[-1]
    assert asked.text == words


def test_database_error_raises_store_failed_instead_of_not_found(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'parley.db'}")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE clear_marks")
        connection.exec_driver_sql("DROP TABLE messages")
    with pytest.raises(StoreFailed):
        store.messages.send(ME, None, question(), answer())
    store.close()


def test_sqlite_uses_wal_foreign_keys_and_a_busy_timeout(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'new folder' / 'parley.db'}")
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 15_000
    store.close()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_postgresql_ends_transactions_that_are_idle_for_a_minute(store: Store) -> None:
    with store.engine.connect() as connection:
        timeout = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
        assert timeout == "1min"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_postgresql_timeouts_apply_unless_the_url_sets_them(
    database_url: str,
) -> None:
    """A host without power closes no connection; by default, TCP waits for hours."""
    parameters = []
    url = make_url(database_url)
    own = url.update_query_dict({"keepalives_idle": "60", "connect_timeout": "3"})
    for each in (url, own):
        engine = make_engine(each.render_as_string(hide_password=False))
        with engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            parameters.append(raw.info.get_parameters())
        engine.dispose()
    ours, theirs = parameters
    idle, interval, count = (
        int(ours[f"keepalives_{name}"]) for name in ("idle", "interval", "count")
    )
    assert 10 <= idle + interval * count <= 30
    assert 10_000 <= int(ours["tcp_user_timeout"]) <= 30_000
    assert (ours["connect_timeout"], theirs["connect_timeout"]) == ("10", "3")
    assert theirs["keepalives_idle"] == "60"
    assert theirs["tcp_user_timeout"] == ours["tcp_user_timeout"]


@pytest.mark.parametrize(
    "url", ["nonsense", "postgres://x/y", "sqlite:////proc/no/such/place.db"], ids=str
)
def test_unusable_database_url_raises_settings_error(url: str) -> None:
    with pytest.raises(SettingsError) as problem:
        Store(url)
    assert "DATABASE_URL" in problem.value.sentence


def test_database_of_a_newer_version_is_refused_and_unchanged(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    store = Store(url)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(SettingsError):
        Store(url)


def test_database_errors_do_not_log_message_text(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE messages RENAME COLUMN reasoning TO thoughts"))
    with pytest.raises(StoreFailed):
        store.messages.send(ME, None, question("my secret words"), answer())
    assert "database failed" in caplog.text and "secret" not in caplog.text


def test_acknowledged_writes_are_synced_and_running_text_is_not(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'parley.db'}")
    levels: list[int] = []

    @event.listens_for(store.engine, "commit")
    def note(connection: Any) -> None:
        raw = connection.connection.driver_connection
        if connection.get_execution_options().get("writes"):
            levels.append(raw.execute("PRAGMA synchronous").fetchone()[0])

    def committed(write: Any) -> list[int]:
        levels.clear()
        write()
        return list(levels)

    normal, full = 1, 2
    sent = store.messages.send(ME, None, question(), answer())
    assert levels == [full]
    assert committed(lambda: store.replies.save(sent.id, "w", "text", "")) == [normal]
    end = Outcome(Status.COMPLETE, "text")
    assert committed(lambda: store.replies.finish(sent.id, "w", end)) == [full]
    rename = store.conversations.rename
    assert committed(lambda: rename(ME, sent.conversation_id, "Title")) == [full]
    store.close()


def test_database_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "parley.db"
    previous = os.umask(0)
    try:
        store = Store(f"sqlite:///{path}")
    finally:
        os.umask(previous)
    store.messages.send(ME, None, question(), answer())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) == {"parley.db", "parley.db-wal", "parley.db-shm"}
    assert set(modes.values()) == {0o600}
    store.close()


def test_existing_database_becomes_unreadable_for_other_users(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    Store(f"sqlite:///{path}").close()
    path.chmod(0o664)
    Store(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.parametrize(
    "message",
    [
        "Could not decode to UTF-8 column 'text' with text 'secret words'",
        'invalid input syntax for type integer: "secret"',
        "duplicate key value violates unique constraint\nDETAIL: Key (text)=(secret)",
        "valeur trop longue « secret »",
    ],
)
def test_error_summary_contains_no_value(message: str) -> None:
    summary = error_summary(ValueError(f"'host' failed: {message}"))
    assert summary.startswith("ValueError: … failed: ")
    assert "secret" not in summary

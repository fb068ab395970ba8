"""What Parley stands on breaks: the person reads one sentence, nothing stored is lost, it goes on.

The faults are real: a lock of another process, a server that is stopped, a file that is moved, a
disk that is full. docs/faults.md is the table of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from sqlalchemy import event
from streamlit.testing.v1 import AppTest

from chat import ChatService, Submission, open_chat
from chat.domain.message import Status
from chat.errors import StoreFailed, TooManyMessages
from chat.providers.base import Delta, Request
from chat.replies.worker_liveness import DEAD_AFTER, Worker
from chat.replies.worker_liveness import _here as workers_here
from pages.session import tab_state
from tests.support.databases import address, bundled_server
from tests.support.scripted_provider import ScriptedProvider

APP = str(Path(__file__).parents[2] / "app.py")
ME = "ada"
TEN_WORDS = "one two three four five six seven eight nine ten"
LONG = " ".join(f"word{place}" for place in range(1500))  # no page of the file has room for it


@pytest.fixture
def file(migrated_file: Path, tmp_path: Path) -> Path:
    """A SQLite database of this test's own."""
    place = tmp_path / "parley.db"
    place.write_bytes(migrated_file.read_bytes())
    return place


@pytest.fixture
def open_file(file: Path, provider: ScriptedProvider) -> Iterator[Callable[..., ChatService]]:
    """Opens the service on it; another process that writes is waited for but briefly."""
    opened: list[ChatService] = []

    def open_it(**config: object) -> ChatService:
        url = f"sqlite:///{file}?timeout=0.1"
        opened.append(open_chat({"DATABASE_URL": url, **config}, providers=[provider]))
        return opened[-1]

    yield open_it
    provider.let_go()
    for service in opened:
        service.close()


def ask(service: ChatService, text: str = "Hello", conversation_id: str | None = None) -> str:
    """Ask and wait for the end; the answer's id."""
    answer = service.send(ME, conversation_id, Submission(text))
    read(service, answer.id)
    return answer.id


def read(service: ChatService, answer_id: str) -> str:
    return "".join(piece.text for piece in service.follow(ME, answer_id))


def stored(service: ChatService, answer_id: str) -> tuple[Status, str]:
    answer = service._store.messages.get(ME, answer_id)
    return answer.status, answer.text


def refuses_and_recovers(
    service: ChatService, provider: ScriptedProvider, breaks: Callable[[], Callable[[], object]]
) -> None:
    """While nothing can be written a reply ends and a question is refused; then all is well.

    `breaks` brings the fault about, and gives back what ends it.
    """
    before = ask(service)
    provider.say(LONG)
    provider.hold(5)
    running = service.send(ME, None, Submission("Count"))
    assert provider.held.wait(10)
    generation = service._replies.get(running.id)
    assert generation is not None
    mend = breaks()
    try:
        with pytest.raises(StoreFailed):
            service.send(ME, None, Submission(LONG))
        provider.let_go()
        assert not generation.wait(0.3), "what is not stored is not over"
        assert generation.text == LONG and generation.is_unstored
    finally:
        mend()
    assert generation.wait(10)
    assert stored(service, running.id) == (Status.COMPLETE, LONG)
    assert stored(service, before)[0] is Status.COMPLETE
    assert stored(service, ask(service, "Again"))[0] is Status.COMPLETE
    asked = [each.title for each in service.conversations(ME)]
    assert sorted(asked) == ["Again", "Count", "Hello"]


def test_a_database_locked_by_another_process_loses_nothing(
    open_file: Callable[..., ChatService], provider: ScriptedProvider, file: Path
) -> None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)

    def lock() -> Callable[[], object]:
        other.execute("BEGIN IMMEDIATE")
        return lambda: other.execute("ROLLBACK")

    service = open_file()
    refuses_and_recovers(service, provider, lock)
    other.close()


def test_the_end_of_the_process_does_not_wait_long_for_a_database_that_is_gone(
    open_file: Callable[..., ChatService], provider: ScriptedProvider, file: Path
) -> None:
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    provider.hold(1)
    running = service.send(ME, None, Submission("Hello"))
    assert provider.held.wait(10)
    file.rename(file.with_name("elsewhere.db"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chat.replies.runner.STORED_WITHIN", 0.2)
        began = time.monotonic()
        service.close()
        assert time.monotonic() - began < 3
    file.with_name("elsewhere.db").rename(file)
    assert stored(open_file(), running.id)[0] is Status.INTERRUPTED


def test_the_end_of_the_process_does_not_wait_long_for_a_database_that_is_locked(
    file: Path, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.replies.runner.STORED_WITHIN", 0.2)
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}?timeout=600"}, providers=[provider])
    provider.hold(1)
    service.send(ME, None, Submission("Hello"))
    assert provider.held.wait(10)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    closing = threading.Thread(target=service.close)
    closing.start()
    closing.join(60)
    assert not closing.is_alive(), "it waits for the lock"
    other.execute("ROLLBACK")
    other.close()
    service._replies._writers.shutdown()


class EndingTogether(ScriptedProvider):
    """Its replies end only once all of them were told to; a temporary one, and another."""

    def __init__(self) -> None:
        super().__init__()
        self.running, self.told = threading.Semaphore(0), threading.Barrier(2)
        self.is_together = False

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        try:
            yield Delta(text="one ")
            self.running.release()
            await asyncio.Event().wait()
        finally:
            await asyncio.get_running_loop().run_in_executor(None, self.told.wait, 60)
            self.is_together = True


def test_at_the_end_replies_of_temporary_and_other_conversations_are_told_at_once(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.replies.runner.CLOSE_WITHIN", 60.0)
    provider = EndingTogether()
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    service.temporary.send(ME, None, Submission("Hello"))
    running = service.send(ME, None, Submission("Hello"))
    for _ in range(2):
        assert provider.running.acquire(timeout=10)
    service.close()
    assert provider.is_together
    assert kept_in(file, running.id) == ("interrupted", "one ")


class Stubborn(ScriptedProvider):
    """It does not close, however often it is told to."""

    async def close(self) -> None:
        while not self._go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().run_in_executor(None, self._go.wait, 0.05)


def test_what_does_not_end_keeps_nothing_else_from_being_stored_and_closed(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("chat.replies.runner.ENDED_WITHIN", 0.2)
    monkeypatch.setattr("chat.service.PROVIDERS_WITHIN", 0.2)
    provider = Stubborn()
    provider.hold(1)
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    assert service.temporary.conversations(ME) == []
    running = service.send(ME, None, Submission("Hello"))
    assert provider.held.wait(10)
    service.close()
    provider.let_go()
    assert caplog.text.count("a provider did not close in time") == 2
    assert kept_in(file, running.id) == ("interrupted", "Hello ")
    assert service._worker.name not in workers_here


def kept_in(file: Path, answer_id: str) -> object:
    with contextlib.closing(sqlite3.connect(file)) as database:
        query = "SELECT status, text FROM messages WHERE id = ?"
        return database.execute(query, (answer_id,)).fetchone()


def test_a_database_that_is_locked_can_still_be_read(
    open_file: Callable[..., ChatService], file: Path
) -> None:
    service = open_file()
    ask(service)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (found,) = service.conversations(ME)
    assert [each.text for each in service.open(ME, found.id).messages] == ["Hello", "Hello there."]
    other.close()


def test_a_full_disk_loses_nothing(
    open_file: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = open_file()
    engine = service._store.engine
    bounds = {"pages": 1_000_000}

    @event.listens_for(engine, "checkout")
    def bound(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={bounds['pages']}")

    def fill() -> Callable[[], object]:
        bounds["pages"] = 1  # SQLite makes it the size that the file has
        with pytest.raises(StoreFailed):
            service._store.switches.set_banner(LONG * 20)
        return lambda: bounds.update(pages=1_000_000)

    refuses_and_recovers(service, provider, fill)


def test_a_read_only_database_loses_nothing(
    open_file: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = open_file()
    only = {"reads": "OFF"}

    @event.listens_for(service._store.engine, "checkout")
    def restrict(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA query_only={only['reads']}")

    def forbid() -> Callable[[], object]:
        only["reads"] = "ON"
        return lambda: only.update(reads="OFF")

    refuses_and_recovers(service, provider, forbid)


def test_a_file_that_is_moved_away_and_back_loses_nothing(
    open_file: Callable[..., ChatService], provider: ScriptedProvider, file: Path
) -> None:
    away = file.with_name("elsewhere.db")

    def move() -> Callable[[], object]:
        file.rename(away)

        def back() -> None:
            assert not file.exists(), "nobody may make a new, empty one in its place"
            away.rename(file)

        return back

    refuses_and_recovers(open_file(), provider, move)


def test_a_file_that_is_replaced_is_left_alone(
    open_file: Callable[..., ChatService], file: Path, migrated_file: Path
) -> None:
    service = open_file()
    ask(service)
    other = file.with_name("other.db")
    other.write_bytes(migrated_file.read_bytes())
    other.rename(file)
    with pytest.raises(StoreFailed):
        service.send(ME, None, Submission("Hello"))


def test_a_postgresql_that_is_stopped_and_started_loses_nothing(
    provider: ScriptedProvider,
) -> None:
    with bundled_server() as server:
        url = address(server).render_as_string(hide_password=False)
        service = open_chat({"DATABASE_URL": url}, providers=[provider])

        def stop() -> Callable[[], object]:
            server.stop()
            return server.start

        try:
            refuses_and_recovers(service, provider, stop)
        finally:
            provider.let_go()
            service.close()


class Thrown(ScriptedProvider):
    """One of its replies ends in what asyncio lets through to the thread."""

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        if "exit" in str(request.turns[-1].text):
            raise SystemExit
        async for delta in super().stream(request):
            yield delta


def test_what_throws_the_loop_out_fails_its_own_reply_only(file: Path) -> None:
    provider = Thrown()
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    provider.say(TEN_WORDS)
    provider.hold(5)
    running = service.send(ME, None, Submission("Count"))
    assert provider.held.wait(10)
    assert stored(service, ask(service, "Please exit"))[0] is Status.FAILED
    provider.let_go()
    assert read(service, running.id) == TEN_WORDS
    assert stored(service, running.id) == (Status.COMPLETE, TEN_WORDS)
    assert stored(service, ask(service))[0] is Status.COMPLETE
    service.close()


def test_a_thread_of_replies_that_is_killed_goes_on(
    open_file: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = open_file()
    provider.say(TEN_WORDS)
    provider.hold(5)
    running = service.send(ME, None, Submission("Count"))
    assert provider.held.wait(10)
    thread, is_thrown_out = service._replies._thread, threading.Event()
    assert thread is not None

    def end() -> None:
        is_thrown_out.set()
        raise SystemExit

    service._replies._running_loop().call_soon_threadsafe(end)
    assert is_thrown_out.wait(10)
    provider.let_go()
    assert read(service, running.id) == TEN_WORDS
    conversation = service.open(ME, running.conversation_id)
    assert conversation.running_id is None, "nobody waits for what nobody writes"
    assert stored(service, ask(service))[0] is Status.COMPLETE
    assert thread.is_alive()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, file: Path) -> Iterator[AppTest]:
    """The app on the file of this test; Guide answers."""
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{file}?timeout=0.1")
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    st.cache_resource.clear()
    page = AppTest.from_file(APP, default_timeout=20)
    page.session_state["visitor"] = ME
    yield page.run()
    tab_state.stored().close()
    st.cache_resource.clear()


def shown(page: AppTest) -> str:
    return "\n".join(each.value for each in (*page.markdown, *page.error, *page.caption))


def test_the_words_come_back_while_the_database_is_gone_and_are_answered_after_it(
    page: AppTest, file: Path
) -> None:
    away = file.with_name("elsewhere.db")
    page.chat_input(key="composer").set_value("What is a version?").run()
    first = len(page.chat_message)
    file.rename(away)
    page.chat_input(key="composer").set_value("My own words").run()
    assert StoreFailed.sentence in shown(page)
    assert page.chat_input(key="composer").proto.value == "My own words"
    assert not page.exception
    for key in ("new_chat", "search", "search"):
        page.button(key=key).click().run()
        assert page.chat_input(key="composer") and not page.exception
    away.rename(file)
    page.chat_input(key="composer").set_value("My own words").run()
    assert StoreFailed.sentence not in shown(page)
    assert len(page.chat_message) == 2 and first == 2


@pytest.mark.parametrize("screen", ["conversation", "usage"])
def test_a_screen_says_so_in_one_sentence_while_the_database_is_gone(
    page: AppTest, file: Path, screen: str
) -> None:
    away = file.with_name("elsewhere.db")
    file.rename(away)
    page.switch_page(f"pages/screens/{screen}.py").run()
    away.rename(file)
    assert shown(page).count(StoreFailed.sentence) == 1
    assert not page.exception


HOUR = timedelta(hours=1)


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_clock_that_jumps_ends_no_reply_of_another_process(jump: timedelta) -> None:
    passed = [0.0]
    me, other = Worker(clock=lambda: passed[0]), "elsewhere:1:abc"
    beat = datetime.now(UTC) - jump  # the clock here jumped between its heartbeat and our look
    for _ in range(60):
        assert me.is_alive(other, "reply", beat)
        passed[0] += 1
        beat += timedelta(seconds=1)
    alive = []
    for _ in range(round(DEAD_AFTER) + 2):
        alive.append(me.is_alive(other, "reply", beat))
        passed[0] += 1
    assert alive[0] and not alive[-1], "and a dead one is dead"


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_clock_that_jumps_shuts_nobody_out_and_opens_no_limit_of_a_day(
    file: Path, provider: ScriptedProvider, jump: timedelta
) -> None:
    moment = [datetime.now(UTC)]
    service = open_chat(
        {
            "DATABASE_URL": f"sqlite:///{file}",
            "LIMIT_MESSAGES_PER_MINUTE": 1,
            "LIMIT_MESSAGES_PER_DAY": 2,
        },
        providers=[provider],
        clock=lambda: moment[0],
    )
    provider.say(TEN_WORDS)
    provider.hold(5)
    running = service.send(ME, None, Submission("Count"))
    assert provider.held.wait(10)
    with pytest.raises(TooManyMessages):
        service.send(ME, None, Submission("Too soon"))
    moment[0] += jump
    provider.let_go()
    assert read(service, running.id) == TEN_WORDS
    assert stored(service, running.id) == (Status.COMPLETE, TEN_WORDS)
    assert stored(service, ask(service))[0] is Status.COMPLETE
    moment[0] += timedelta(minutes=3)
    with pytest.raises(TooManyMessages):
        service.send(ME, None, Submission("The third of this day"))
    service.close()


def test_every_row_of_the_table_of_faults_is_a_test() -> None:
    here = Path(__file__).parents[1]
    table = (here.parent / "docs" / "faults.md").read_text("utf-8")
    rows = [line for line in table.splitlines() if re.match(r"\| (?!Fault|---)", line)]
    sources = "\n".join(file.read_text("utf-8") for file in here.rglob("test_*.py"))
    tests = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    for row in rows:
        *_, named, end = row.split("|")
        found = re.findall(r"`(\w+)`", named)
        assert found and not end, row
        assert set(found) <= tests, row
    mine = re.findall(r"^def (test_a_\w+)", Path(__file__).read_text("utf-8"), re.MULTILINE)
    assert all(name in table for name in mine), "a fault of this file is missing in the table"

"""Faults of the database and the process: the user gets one sentence and no stored data is lost.

The faults are real: a lock held by another process, a stopped server, a moved file, a full disk.
docs/faults.md lists them with what the user sees.
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
from typing import Any

import pytest
from sqlalchemy import event
from streamlit.testing.v1 import AppTest

from chat import ChatService, Submission, open_chat
from chat.domain.message import Status
from chat.errors import ConnectionLost, StoreFailed, TooManyMessages
from chat.providers.base import Delta, Request
from chat.replies.worker_liveness import DEAD_AFTER, Worker
from chat.replies.worker_liveness import _local_workers as local_workers
from pages.session import process
from tests.support.databases import bundled_server, server_url
from tests.support.held_reply import until
from tests.support.scripted_provider import ScriptedProvider

APP = str(Path(__file__).parents[2] / "app.py")
ME = "ada"
TEN_WORDS = "one two three four five six seven eight nine ten"
LONG = " ".join(f"word{place}" for place in range(1500))  # fits in no existing page


@pytest.fixture
def file(migrated_file: Path, tmp_path: Path) -> Path:
    """The file of a new, migrated SQLite database."""
    copy = tmp_path / "parley.db"
    copy.write_bytes(migrated_file.read_bytes())
    return copy


@pytest.fixture
def open_file(file: Path, provider: ScriptedProvider) -> Iterator[Callable[..., ChatService]]:
    """Open services on the file that wait for a lock only briefly."""
    opened: list[ChatService] = []

    def open_it(**config: object) -> ChatService:
        url = f"sqlite:///{file}?timeout=0.1"
        opened.append(open_chat({"DATABASE_URL": url, **config}, providers=[provider]))
        return opened[-1]

    yield open_it
    provider.release()
    for service in opened:
        service.close()


def ask(service: ChatService, text: str = "Hello", conversation_id: str | None = None) -> str:
    """Send a message, wait for the end of the reply and return the answer's id."""
    answer = service.as_owner(ME).messages.send(conversation_id, Submission(text))
    read(service, answer.id)
    return answer.id


def read(service: ChatService, answer_id: str) -> str:
    return "".join(piece.text for piece in service.as_owner(ME).messages.follow(answer_id))


def stored(service: ChatService, answer_id: str) -> tuple[Status, str]:
    answer = service.space.store.messages.get(ME, answer_id)
    return answer.status, answer.text


def refuses_and_recovers(
    service: ChatService, provider: ScriptedProvider, breaks: Callable[[], Callable[[], object]]
) -> None:
    """Check that questions are refused during a fault, and that all replies are stored after it.

    `breaks` causes the fault and returns a function that ends it.
    """
    before = ask(service)
    provider.say(LONG)
    provider.hold(5)
    running = service.as_owner(ME).messages.send(None, Submission("Count"))
    assert provider.held.wait(10)
    generation = service.runtime.runner.get(running.id)
    assert generation is not None
    mend = breaks()
    try:
        with pytest.raises(StoreFailed):
            service.as_owner(ME).messages.send(None, Submission(LONG))
        provider.release()
        until(lambda: generation.buffer.is_unstored)
        assert not generation.buffer.wait(0.3), "the reply ended before it was stored"
        assert generation.buffer.text == LONG and generation.buffer.is_unstored
    finally:
        mend()
    assert generation.buffer.wait(10)
    assert stored(service, running.id) == (Status.COMPLETE, LONG)
    assert stored(service, before)[0] is Status.COMPLETE
    assert stored(service, ask(service, "Again"))[0] is Status.COMPLETE
    asked = [each.title for each in service.as_owner(ME).conversations.latest()]
    assert sorted(asked) == ["Again", "Count", "Hello"]


def test_locked_database_loses_no_data(
    open_file: Callable[..., ChatService], provider: ScriptedProvider, file: Path
) -> None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)

    def lock() -> Callable[[], object]:
        other.execute("BEGIN IMMEDIATE")
        return lambda: other.execute("ROLLBACK")

    service = open_file()
    refuses_and_recovers(service, provider, lock)
    other.close()


def test_shutdown_does_not_wait_for_a_missing_database(
    open_file: Callable[..., ChatService], provider: ScriptedProvider, file: Path
) -> None:
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    provider.hold(1)
    running = service.as_owner(ME).messages.send(None, Submission("Hello"))
    assert provider.held.wait(10)
    file.rename(file.with_name("elsewhere.db"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chat.replies.runner.STORE_TIMEOUT", 0.2)
        began = time.monotonic()
        service.close()
        assert time.monotonic() - began < 3
    file.with_name("elsewhere.db").rename(file)
    assert stored(open_file(), running.id)[0] is Status.INTERRUPTED


def test_shutdown_does_not_wait_for_a_locked_database(
    file: Path, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.replies.runner.STORE_TIMEOUT", 0.2)
    threads = set(threading.enumerate())
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}?timeout=600"}, providers=[provider])
    provider.hold(1)
    service.as_owner(ME).messages.send(None, Submission("Hello"))
    assert provider.held.wait(10)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    closing = threading.Thread(target=service.close)
    closing.start()
    closing.join(60)
    assert not closing.is_alive(), "the shutdown waits for the lock"
    other.execute("ROLLBACK")
    other.close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)


class EndingTogether(ScriptedProvider):
    """Provider of two replies that end only after both have been cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.running, self.cancelled = threading.Semaphore(0), threading.Barrier(2)
        self.is_together = False

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        try:
            yield Delta(text="one ")
            self.running.release()
            await asyncio.Event().wait()
        finally:
            await asyncio.get_running_loop().run_in_executor(None, self.cancelled.wait, 60)
            self.is_together = True


def test_shutdown_interrupts_temporary_and_stored_replies_concurrently(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.replies.runner.CLOSE_TIMEOUT", 60.0)
    provider = EndingTogether()
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    service.as_owner(ME, is_temporary=True).messages.send(None, Submission("Hello"))
    running = service.as_owner(ME).messages.send(None, Submission("Hello"))
    for _ in range(2):
        assert provider.running.acquire(timeout=10)
    service.close()
    assert provider.is_together
    assert stored_in(file, running.id) == ("interrupted", "one ")


class Departing(ScriptedProvider):
    """Provider that waits in `close` and breaks its streams afterwards, like real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.closing, self.may_close = threading.Event(), threading.Event()

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        yield Delta(text="one ")
        await asyncio.get_running_loop().run_in_executor(None, self.closing.wait, 10)
        raise ConnectionLost("Scripted")

    async def close(self) -> None:
        self.closing.set()
        await asyncio.get_running_loop().run_in_executor(None, self.may_close.wait, 10)


@pytest.mark.parametrize("is_temporary", [False, True])
def test_message_sent_while_providers_close_ends_as_interrupted(
    file: Path, is_temporary: bool
) -> None:
    provider = Departing()
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    late = service.as_owner(ME, is_temporary=is_temporary)
    space = service.temporary_space() if is_temporary else service.space
    closing = threading.Thread(target=service.close)
    closing.start()
    assert provider.closing.wait(10)
    answer = late.messages.send(None, Submission("Hello"))
    status = space.store.messages.get(ME, answer.id).status
    provider.may_close.set()
    closing.join(20)
    assert status is Status.INTERRUPTED
    assert provider.requests == []


def test_reply_between_reservation_and_start_ends_as_interrupted_at_shutdown(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Departing()
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    runner = service.runtime.runner
    start, waits, goes = runner.start, threading.Event(), threading.Event()

    def start_late(reply: Any, stream: Any) -> None:
        waits.set()
        goes.wait(10)
        start(reply, stream)

    monkeypatch.setattr(runner, "start", start_late)
    sent: list[str] = []
    sending = threading.Thread(
        target=lambda: sent.append(service.as_owner(ME).messages.send(None, Submission("Hello")).id)
    )
    sending.start()
    assert waits.wait(10)
    closing = threading.Thread(target=service.close)
    closing.start()
    until(lambda: runner.is_ending)
    goes.set()
    sending.join(10)
    closing.join(20)
    assert stored_in(file, sent[0]) == ("interrupted", "")


class NeverClosing(ScriptedProvider):
    """Provider with a `close` that ignores cancellation."""

    async def close(self) -> None:
        while not self._go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().run_in_executor(None, self._go.wait, 0.05)


def test_shutdown_stores_replies_although_a_provider_does_not_close(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("chat.replies.runner.LOOP_TIMEOUT", 0.2)
    monkeypatch.setattr("chat.service.PROVIDER_TIMEOUT", 0.2)
    provider = NeverClosing()
    provider.hold(1)
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    assert service.as_owner(ME, is_temporary=True).conversations.latest() == []
    running = service.as_owner(ME).messages.send(None, Submission("Hello"))
    assert provider.held.wait(10)
    service.close()
    provider.release()
    assert "a provider did not close in time" in caplog.text
    assert stored_in(file, running.id) == ("interrupted", "Hello ")
    assert service.runtime.worker.name not in local_workers


def stored_in(file: Path, answer_id: str) -> object:
    with contextlib.closing(sqlite3.connect(file)) as database:
        query = "SELECT status, text FROM messages WHERE id = ?"
        return database.execute(query, (answer_id,)).fetchone()


def test_locked_database_can_be_read(open_file: Callable[..., ChatService], file: Path) -> None:
    service = open_file()
    ask(service)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (found,) = service.as_owner(ME).conversations.latest()
    assert [each.text for each in service.as_owner(ME).conversations.open(found.id).messages] == [
        "Hello",
        "Hello there.",
    ]
    other.close()


def test_full_disk_loses_no_data(
    open_file: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = open_file()
    engine = service.space.store.engine
    bounds = {"pages": 1_000_000}

    @event.listens_for(engine, "checkout")
    def bound(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={bounds['pages']}")

    def fill() -> Callable[[], object]:
        bounds["pages"] = 1  # SQLite raises it to the size of the file
        with pytest.raises(StoreFailed):
            service.space.store.switches.set_banner(LONG * 20)
        return lambda: bounds.update(pages=1_000_000)

    refuses_and_recovers(service, provider, fill)


def test_read_only_database_loses_no_data(
    open_file: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = open_file()
    only = {"reads": "OFF"}

    @event.listens_for(service.space.store.engine, "checkout")
    def restrict(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA query_only={only['reads']}")

    def forbid() -> Callable[[], object]:
        only["reads"] = "ON"
        return lambda: only.update(reads="OFF")

    refuses_and_recovers(service, provider, forbid)


def test_moved_database_file_loses_no_data(
    open_file: Callable[..., ChatService], provider: ScriptedProvider, file: Path
) -> None:
    away = file.with_name("elsewhere.db")

    def move() -> Callable[[], object]:
        file.rename(away)

        def back() -> None:
            assert not file.exists(), "a new database was created"
            away.rename(file)

        return back

    refuses_and_recovers(open_file(), provider, move)


def test_replaced_database_file_is_not_written(
    open_file: Callable[..., ChatService], file: Path, migrated_file: Path
) -> None:
    service = open_file()
    ask(service)
    other = file.with_name("other.db")
    other.write_bytes(migrated_file.read_bytes())
    other.rename(file)
    with pytest.raises(StoreFailed):
        service.as_owner(ME).messages.send(None, Submission("Hello"))


def test_postgresql_restart_loses_no_data(
    provider: ScriptedProvider,
) -> None:
    with bundled_server() as server:
        url = server_url(server).render_as_string(hide_password=False)
        service = open_chat({"DATABASE_URL": url}, providers=[provider])

        def stop() -> Callable[[], object]:
            server.stop()
            return server.start

        try:
            refuses_and_recovers(service, provider, stop)
        finally:
            provider.release()
            service.close()


class ExitingProvider(ScriptedProvider):
    """Provider that raises `SystemExit`, which asyncio passes on to the thread."""

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        if "exit" in str(request.turns[-1].text):
            raise SystemExit
        async for delta in super().stream(request):
            yield delta


def test_system_exit_in_one_reply_does_not_stop_others(file: Path) -> None:
    provider = ExitingProvider()
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    provider.say(TEN_WORDS)
    provider.hold(5)
    running = service.as_owner(ME).messages.send(None, Submission("Count"))
    assert provider.held.wait(10)
    assert stored(service, ask(service, "Please exit"))[0] is Status.FAILED
    provider.release()
    assert read(service, running.id) == TEN_WORDS
    assert stored(service, running.id) == (Status.COMPLETE, TEN_WORDS)
    assert stored(service, ask(service))[0] is Status.COMPLETE
    service.close()


class LoopProvider(ScriptedProvider):
    """Provider that exposes the thread and the event loop of the replies."""

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        self.thread, self.loop = threading.current_thread(), asyncio.get_running_loop()
        async for delta in super().stream(request):
            yield delta


def test_reply_thread_survives_a_system_exit(file: Path) -> None:
    provider = LoopProvider()
    service = open_chat({"DATABASE_URL": f"sqlite:///{file}"}, providers=[provider])
    provider.say(TEN_WORDS)
    provider.hold(5)
    running = service.as_owner(ME).messages.send(None, Submission("Count"))
    assert provider.held.wait(10)
    is_raised = threading.Event()

    def end() -> None:
        is_raised.set()
        raise SystemExit

    provider.loop.call_soon_threadsafe(end)
    assert is_raised.wait(10)
    provider.release()
    assert read(service, running.id) == TEN_WORDS
    conversation = service.as_owner(ME).conversations.open(running.conversation_id)
    assert conversation.running_id is None, "a reply still counts as running"
    assert stored(service, ask(service))[0] is Status.COMPLETE
    assert provider.thread.is_alive()
    service.close()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, file: Path) -> Iterator[AppTest]:
    """The app on the test's database, with Guide as its model."""
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{file}?timeout=0.1")
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    process.reset()
    page = AppTest.from_file(APP, default_timeout=20)
    page.session_state["visitor"] = ME
    yield page.run()
    process.chat_service().close()
    process.reset()


def shown(page: AppTest) -> str:
    """Return the text of the page, without the escapes of its Markdown."""
    texts = "\n".join(each.value for each in (*page.markdown, *page.error, *page.caption))
    return texts.replace("\\", "")


def test_message_returns_to_the_composer_during_an_outage_and_can_be_sent_later(
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


@pytest.fixture
def outage(page: AppTest, file: Path) -> Iterator[Callable[[], object]]:
    """A page with two conversations and no database; yields the function that brings it back."""
    page.chat_input(key="composer").set_value("What is a version?").run()
    away = file.with_name("elsewhere.db")
    file.rename(away)

    def end() -> None:
        if away.exists():
            away.rename(file)

    yield end
    end()


@pytest.mark.parametrize("action", ["rerun", "send", "edit", "retry", "search"])
def test_conversation_stays_in_view_during_an_outage(
    page: AppTest, outage: Callable[[], object], action: str
) -> None:
    before = [each.markdown[0].value for each in page.chat_message]
    if action == "send":
        page.chat_input(key="composer").set_value("My own words").run()
    elif action == "rerun":
        page.run()
    else:
        button = next(each for each in page.button if str(each.key).startswith(action))
        button.click().run()
    assert [each.markdown[0].value for each in page.chat_message][: len(before)] == before or (
        action == "edit" and len(page.chat_message) == 2
    )
    assert "What shall we talk about?" not in shown(page)
    assert StoreFailed.sentence in shown(page)
    assert not page.exception
    outage()
    page.session_state["outage_ended"] = True  # set by the part of the page that polls
    page.run()
    assert StoreFailed.sentence not in shown(page)
    assert len(page.chat_message) == 2 and not page.exception


def test_outage_shows_no_conversation_of_another_person_or_link(
    page: AppTest, outage: Callable[[], object]
) -> None:
    mine = page.query_params["c"]
    page.session_state["visitor"] = "bob"
    page.run()
    assert len(page.chat_message) == 0
    page.session_state["visitor"] = ME
    page.run()
    assert len(page.chat_message) == 2
    page.query_params["c"] = ["0" * 30]
    page.run()
    assert len(page.chat_message) == 0 and not page.exception
    page.query_params["c"] = mine
    page.run()
    assert len(page.chat_message) == 2


@pytest.mark.parametrize("screen", ["conversation", "usage"])
def test_screens_show_one_sentence_during_an_outage(page: AppTest, file: Path, screen: str) -> None:
    away = file.with_name("elsewhere.db")
    file.rename(away)
    page.switch_page(f"pages/screens/{screen}.py").run()
    away.rename(file)
    assert shown(page).count(StoreFailed.sentence) == 1
    assert not page.exception


HOUR = timedelta(hours=1)


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_clock_jump_does_not_end_replies_of_other_processes(jump: timedelta) -> None:
    passed = [0.0]
    me, other = Worker(clock=lambda: passed[0]), "elsewhere:1:abc"
    beat = datetime.now(UTC) - jump  # the clock jumped after the heartbeat
    for _ in range(60):
        assert me.is_alive(other, "reply", beat)
        passed[0] += 1
        beat += timedelta(seconds=1)
    alive = []
    for _ in range(round(DEAD_AFTER) + 2):
        alive.append(me.is_alive(other, "reply", beat))
        passed[0] += 1
    assert alive[0] and not alive[-1], "a dead process counts as alive"


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_clock_jump_neither_blocks_users_nor_resets_daily_limits(
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
    running = service.as_owner(ME).messages.send(None, Submission("Count"))
    assert provider.held.wait(10)
    with pytest.raises(TooManyMessages):
        service.as_owner(ME).messages.send(None, Submission("Too soon"))
    moment[0] += jump
    provider.release()
    assert read(service, running.id) == TEN_WORDS
    assert stored(service, running.id) == (Status.COMPLETE, TEN_WORDS)
    assert stored(service, ask(service))[0] is Status.COMPLETE
    moment[0] += timedelta(minutes=3)
    with pytest.raises(TooManyMessages):
        service.as_owner(ME).messages.send(None, Submission("The third of this day"))
    service.close()


def test_fault_table_and_tests_match() -> None:
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
    *faults, _ = re.findall(r"^def (test_\w+)", Path(__file__).read_text("utf-8"), re.MULTILINE)
    assert [name for name in faults if f"`{name}`" not in table] == []

"""Load and shutdown: many sessions, slow clients, very large messages, and SIGTERM.

The app runs in a child process. Clients speak Streamlit's protocol without a browser.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import streamlit
from sqlalchemy import create_engine, text

from benchmarks.streamlit_client import Tab
from tests.support.app_server import AppServer
from tests.support.llm_server import LLMServer, Script, text_of

pytestmark = pytest.mark.slow

SESSIONS = 1_000
AT_ONCE = 25
MB = 1_000_000


@pytest.fixture(scope="module")
def llm() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture(scope="module")
def process(llm: LLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    config = {"OPENAI_BASE_URL": llm.base_url, "OPENAI_API_KEY": "sk-x", "MAX_RETRIES": "0"}
    with AppServer(tmp_path_factory.mktemp("endurance"), **config) as app:
        yield app


@pytest.fixture
def app(process: AppServer) -> AppServer:
    """The app; restarted if the previous test ended it."""
    if not process.is_running:
        process.start()
    return process


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    held = threading.Event()
    yield held
    held.set()


def answers(app: AppServer) -> list[tuple[str, str]]:
    """Return status and text of all answers, oldest first."""
    engine = create_engine(f"sqlite:///{app.database}")
    try:
        with engine.connect() as connection:
            found = text("SELECT status, text FROM messages WHERE role = 'assistant' ORDER BY id")
            return [(row.status, row.text) for row in connection.execute(found)]
    finally:
        engine.dispose()


def ended(app: AppServer, count: int) -> list[tuple[str, str]]:
    """Wait until the last `count` answers have ended and return their status and text."""
    pause = threading.Event()
    for _ in range(400):
        found = answers(app)[-count:]
        if all(status != "streaming" for status, _ in found):
            return found
        pause.wait(0.05)
    raise AssertionError("a reply is still running")


def threads(app: AppServer) -> int:
    return len(list(Path(f"/proc/{app.pid}/task").iterdir()))


def resident_mb(app: AppServer) -> float:
    (line,) = (
        each
        for each in Path(f"/proc/{app.pid}/status").read_text().splitlines()
        if each.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


async def receive_until(tab: Tab, wanted: str, seconds: float = 20) -> None:
    """Receive messages until one contains `wanted`."""
    async with asyncio.timeout(seconds):
        while True:
            data = await tab._receive()
            tab._handle(data)
            if wanted.encode() in data:
                return


async def ask(tab: Tab, question: str) -> None:
    assert tab.chat_input is not None
    await tab.run_script({tab.chat_input: question})


def until_threads(app: AppServer, most: int) -> int:
    """Wait up to ten seconds for at most `most` threads; return their number."""
    pause = threading.Event()
    for _ in range(200):
        if threads(app) <= most:
            break
        pause.wait(0.05)
    return threads(app)


def test_thousand_dropped_sessions_leak_no_threads_or_memory(
    app: AppServer, llm: LLMServer, gate: threading.Event
) -> None:
    async def drop(first: Tab, room: asyncio.Semaphore, number: int) -> None:
        async with room:
            tab = Tab(app.url, first.query, first.cookies)
            await tab.open(waits=False)
            if number % AT_ONCE == 0:  # disconnects while following the reply
                await receive_until(tab, "lazy7")
            await tab.close()

    async def go() -> None:
        llm.next(Script(tokens=20, gate=gate, gate_at=10))
        async with Tab(app.url) as first:
            await ask(first, "Count")
            await receive_until(first, "lazy7")
            room = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(drop(first, room, number) for number in range(50)))
            before, used = await asyncio.to_thread(until_threads, app, 20), resident_mb(app)
            await asyncio.gather(*(drop(first, room, number) for number in range(SESSIONS)))
            assert await asyncio.to_thread(until_threads, app, before) <= before
            assert resident_mb(app) < used + 40
            gate.set()
            await receive_until(first, "dog19")

    asyncio.run(go())
    assert ended(app, 1) == [("complete", text_of(20))]


def test_slow_client_does_not_delay_other_clients(app: AppServer, llm: LLMServer) -> None:
    async def go() -> None:
        async with Tab(app.url) as slow, Tab(app.url) as other:
            llm.next(Script(tokens=2_000, pace=4_000), Script(tokens=20))
            assert slow._socket is not None
            slow._socket.transport.pause_reading()
            await ask(slow, "Count")
            await ask(other, "Count")
            await receive_until(other, "dog19", 5)
            found = await asyncio.to_thread(ended, app, 2)
            slow._socket.transport.resume_reading()
            assert sorted(found) == [("complete", text_of(20)), ("complete", text_of(2_000))]

    asyncio.run(go())


def test_ten_megabyte_message_is_refused_and_returned(app: AppServer) -> None:
    message = "words " * (10 * MB // 6)

    async def go() -> None:
        async with Tab(app.url) as tab:
            await ask(tab, message)
            async with asyncio.timeout(20):
                sentence = back = False
                while not (sentence and back):
                    data = await tab._receive()
                    sentence = sentence or b"shorten it and send it again" in data
                    back = back or message.encode() in data
            await tab.finished()
            await ask(tab, "A shorter one")
            await receive_until(tab, "A shorter one")

    count = len(answers(app))
    asyncio.run(go())
    assert len(answers(app)) == count + 1


def test_ten_megabyte_reply_is_truncated_and_stored(app: AppServer, llm: LLMServer) -> None:
    async def go() -> None:
        llm.next(Script(text="words " * (10 * MB // 6)))
        async with Tab(app.url) as tab:
            await ask(tab, "Go on and on")
            await receive_until(tab, "Press Continue for the rest", 30)

    asyncio.run(go())
    ((status, kept),) = ended(app, 1)
    assert status == "complete" and 100_000 < len(kept) < MB


def test_sigterm_stores_running_replies_as_interrupted(
    app: AppServer, llm: LLMServer, gate: threading.Event
) -> None:
    async def go() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(5):
                llm.next(Script(tokens=20, gate=gate, gate_at=10))
                tab = await stack.enter_async_context(Tab(app.url))
                await ask(tab, "Count")
                await receive_until(tab, "while9")
            with open_stalled_connection(app):
                assert await asyncio.to_thread(app.terminate) < 10

    asyncio.run(go())
    assert answers(app)[-5:] == [("interrupted", text_of(10))] * 5


def test_sighup_stores_running_replies_as_interrupted(
    app: AppServer, llm: LLMServer, gate: threading.Event
) -> None:
    async def go() -> None:
        llm.next(Script(tokens=20, gate=gate, gate_at=10))
        async with Tab(app.url) as tab:
            await ask(tab, "Count")
            await receive_until(tab, "while9")
            assert await asyncio.to_thread(app.hang_up) < 10

    asyncio.run(go())
    assert answers(app)[-1:] == [("interrupted", text_of(10))]


def test_sigterm_stores_replies_after_a_start_without_a_database(
    llm: LLMServer, gate: threading.Event, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file where the folder should be")
    config = {"OPENAI_BASE_URL": llm.base_url, "OPENAI_API_KEY": "sk-x"}
    with AppServer(tmp_path, DATABASE_URL=f"sqlite:///{folder}/parley.db", **config) as app:
        app.database = folder / "parley.db"

        async def go() -> None:
            await asyncio.to_thread(app.wait_for_log, "DATABASE_URL cannot be opened")
            folder.unlink()
            llm.next(Script(tokens=20, gate=gate, gate_at=10))
            async with Tab(app.url) as tab:
                await ask(tab, "Count")
                await receive_until(tab, "while9")
                assert await asyncio.to_thread(app.terminate) < 10

        asyncio.run(go())
        assert answers(app) == [("interrupted", text_of(10))]


def open_stalled_connection(app: AppServer) -> socket.socket:
    """Open a connection that requests a large file and never reads the response."""
    files = Path(streamlit.__file__).with_name("static")
    large = max((each for each in files.rglob("*.js")), key=lambda each: each.stat().st_size)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", app.port))
    path = large.relative_to(files)
    connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection

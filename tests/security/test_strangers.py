"""50 strangers without the access code do not use up the memory, or slow down a visitor with it."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.clock import now_ms
from benchmarks.streamlit_client import Tab, page_cookies, run
from chat import open_chat, visitor_from_cookie
from tests.support.app_server import AppServer
from tests.support.websocket_frames import compressed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="memory is read from /proc"),
]
CODE = "the code of this test"
STRANGERS = 50
LARGE = compressed(b"\0" * 190_000_000)  # 185 kB
MANY = compressed(b"\0" * 250_000) * 700  # within the limit one by one, 175 MB together


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    with AppServer(tmp_path_factory.mktemp("strangers"), ACCESS_CODE=CODE) as app:
        yield app


def memory_mb(app: AppServer) -> float:
    """Return the largest memory that the process has used so far."""
    status = Path(f"/proc/{app.pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+)", status)
    return int(kilobytes) / 1000


def counts(app: AppServer) -> tuple[int, int]:
    """Return the numbers of open files and threads."""
    process = Path(f"/proc/{app.pid}")
    return len(os.listdir(process / "fd")), len(os.listdir(process / "task"))


async def cookies_of(app: AppServer) -> str:
    return await asyncio.to_thread(page_cookies, app.url)


@asynccontextmanager
async def websocket(app: AppServer, cookies: str) -> AsyncIterator[ClientConnection]:
    host = urlsplit(app.url).netloc
    async with connect(
        f"ws://{host}/_stcore/stream",
        additional_headers={"Cookie": cookies} if cookies else {},
        origin=f"http://{host}",  # type: ignore[arg-type]
        subprotocols=["streamlit", "x"],  # type: ignore[list-item]
        max_size=None,
        close_timeout=0.5,
    ) as socket:
        yield socket


async def send_unneeded(app: AppServer, cookies: str) -> None:
    async with websocket(app, cookies) as socket:
        for _ in range(10):
            await socket.send(BackMsg(clear_cache=True).SerializeToString())
            await socket.send(BackMsg(load_git_info=True).SerializeToString())


async def send_bombs(app: AppServer, cookies: str) -> None:
    async with websocket(app, cookies) as socket:
        socket.transport.write(LARGE)
        await asyncio.wait_for(socket.wait_closed(), 10)
    async with websocket(app, cookies) as socket:
        socket.transport.write(MANY)
        await asyncio.wait_for(socket.wait_closed(), 10)


async def open_tabs(app: AppServer, cookies: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(8):
            await stack.enter_async_context(websocket(app, cookies))


async def upload(app: AppServer, cookies: str) -> None:
    url = f"{app.url}/_stcore/upload_file/session/file"
    request = urllib.request.Request(url, b"x" * 5_000_000, {"Cookie": cookies}, method="PUT")

    def put() -> int:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert await asyncio.to_thread(put) == 403


async def run_pages(app: AppServer, cookies: str) -> None:
    async with websocket(app, cookies) as socket:
        message = BackMsg()
        message.rerun_script.query_string = "c=1"
        await socket.send(message.SerializeToString())
        await asyncio.wait_for(socket.recv(), 10)


WAYS = [send_unneeded, send_bombs, open_tabs, upload, run_pages]


async def attack(app: AppServer, number: int, until: asyncio.Event, pause: float) -> None:
    """Do what a stranger can, with pauses, until the event."""
    cookies = "" if number % 7 == 0 else await cookies_of(app)
    while not until.is_set():
        with suppress(ConnectionClosed, InvalidStatus, OSError, TimeoutError):
            await WAYS[number % len(WAYS)](app, cookies)
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), pause)


@asynccontextmanager
async def strangers(app: AppServer, pause: float) -> AsyncIterator[None]:
    until = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(STRANGERS):
            group.create_task(attack(app, number, until, pause))
        try:
            yield
        finally:
            until.set()


async def member(app: AppServer) -> str:
    """Return the cookies of a visitor who has entered the code."""
    cookies = await cookies_of(app)
    (visitor,) = re.findall(r"parley_visitor=([\w-]{43})\.", cookies)
    config = {"DATABASE_URL": app.database_url, "ACCESS_CODE": CODE, "FIND_LOCAL_SERVERS": "false"}
    service = open_chat(config)
    try:
        service.access.enter(visitor_from_cookie(visitor).owner, CODE)
    finally:
        service.close()
    return cookies


async def median_send(app: AppServer, cookies: str) -> float:
    """Return the median time in ms from sending a message to the end of Guide's answer."""
    times = []
    for _ in range(5):
        async with Tab(app.url, cookies=cookies) as tab:
            assert tab.chat_input is not None, "the visitor is not let in"
            sent = now_ms()
            await tab.ask("How do I share a conversation?", ["link"])
            times.append(now_ms() - sent)
    return statistics.median(times)


def test_strangers_neither_fill_the_memory_nor_delay_a_visitor(app: AppServer) -> None:
    async def measure() -> tuple[float, float, float]:
        cookies = await member(app)
        await median_send(app, cookies)  # first uses are slower
        usual = await median_send(app, cookies)
        async with strangers(app, pause=1.0):
            return usual, await median_send(app, cookies), memory_mb(app)

    usual, attacked, memory = run(measure())
    assert memory < 400
    assert attacked < 2 * usual


def test_strangers_leave_no_open_files_threads_and_memory_behind(app: AppServer) -> None:
    async def measure() -> None:
        async with strangers(app, pause=0.0):
            for _ in range(3):
                await asyncio.gather(*(upload(app, "") for _ in range(4)))

    run(measure())
    files, _ = counts(app)
    run(measure())
    assert memory_mb(app) < 400
    later_files, later_threads = counts(app)
    assert later_files <= files + 20
    assert later_threads <= 60, "most threads belong to a pool of fixed size"
    assert "Traceback" not in app.log()

"""Messages are bounded before they are unpacked, on a real server and a real WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pages.streamlit_patches import websocket_messages
from pages.streamlit_patches.websocket_messages import EXTENSION, FIRST_LIMIT
from tests.support import patches
from tests.support.websocket_frames import compressed

MB = 1_000_000


class Server:
    """Answers each message with its size, when `gate` is open; "more" raises the limit to 2 MB."""

    def __init__(self) -> None:
        self.gate, self.received, self.protocols = asyncio.Event(), asyncio.Event(), list[Any]()
        self.gate.set()
        self.port = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.protocols.append(receive.__self__)
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            self.received.set()
            await self.gate.wait()
            if message.get("text") == "more":
                scope["extensions"][EXTENSION](2 * MB)
            await send({"type": "websocket.send", "text": str(len(message.get("bytes") or b""))})

    def waiting(self) -> int:
        """Return the number of unpacked bytes that wait for the app."""
        queues = [list(each.queue._queue) for each in self.protocols]
        return sum(len(each.get("bytes") or b"") for queue in queues for each in queue)

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[ClientConnection]:
        async with connect(f"ws://127.0.0.1:{self.port}/", max_size=None) as tab:
            yield tab


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    patches.apply(monkeypatch, websocket_messages.replacements())


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    config = uvicorn.Config(
        server.app,
        port=0,
        interface="asgi3",
        ws="websockets-sansio",
        ws_max_size=200 * MB,
        lifespan="off",
        log_level="critical",
    )
    process = uvicorn.Server(config)
    config.load()
    process.lifespan = config.lifespan_class(config)
    await process.startup()
    server.port = process.servers[0].sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.gate.set()
        await process.shutdown()


async def answer(tab: ClientConnection, data: bytes | str) -> str | int:
    """Send a message; return the server's answer, or the code with which it closed."""
    try:
        await tab.send(data)
        return str(await tab.recv())
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else "closed without a code"


def write(tab: ClientConnection, data: bytes) -> None:
    tab.transport.write(data)


@pytest.mark.usefixtures("patched")
def test_messages_up_to_the_limit_arrive() -> None:
    async def run() -> None:
        async with serving() as server, server.tab() as tab:
            for size in (0, 1, 1000, 4096, FIRST_LIMIT):
                assert await answer(tab, b"x" * size) == str(size)

    asyncio.run(run())


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize("size", [FIRST_LIMIT + 1, 5 * MB, 20 * MB])
def test_larger_message_closes_the_connection(size: int) -> None:
    async def run() -> None:
        async with serving() as server:
            async with server.tab() as tab:
                assert await answer(tab, b"\0" * size) == 1009
            async with server.tab() as tab:
                assert await answer(tab, b"next") == "4"

    asyncio.run(run())


@pytest.mark.usefixtures("patched")
def test_uncompressed_message_is_limited_too() -> None:
    async def run() -> None:
        async with serving() as server:
            url = f"ws://127.0.0.1:{server.port}/"
            async with connect(url, compression=None) as tab:
                assert await answer(tab, b"x" * (FIRST_LIMIT + 1)) == 1009

    asyncio.run(run())


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize("first", [1, FIRST_LIMIT // 2, FIRST_LIMIT - 1, FIRST_LIMIT])
def test_fragments_of_a_message_share_the_limit(first: int) -> None:
    async def run() -> None:
        async with serving() as server, server.tab() as tab:
            write(tab, compressed(b"\0" * first, is_last=False))
            write(tab, compressed(b"\0" * FIRST_LIMIT, is_first=False))
            with pytest.raises(ConnectionClosed) as closed:
                await tab.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009

    asyncio.run(run())


@pytest.mark.usefixtures("patched")
def test_many_messages_in_one_read_are_unpacked_one_by_one() -> None:
    async def run() -> None:
        async with serving() as server, server.tab() as tab:
            server.gate.clear()
            each = compressed(b"\0" * FIRST_LIMIT)
            number = 200_000 // len(each)
            write(tab, each * number)
            write(tab, compressed(b"end"))
            await asyncio.wait_for(server.received.wait(), 10)
            assert server.waiting() <= 4 * FIRST_LIMIT, "they were unpacked together"
            server.gate.set()
            sizes = [await tab.recv() for _ in range(number + 1)]
            assert sizes == [str(FIRST_LIMIT)] * number + ["3"]

    asyncio.run(run())


@pytest.mark.usefixtures("patched")
def test_limit_can_be_raised_for_a_connection() -> None:
    async def run() -> None:
        async with serving() as server, server.tab() as tab, server.tab() as other:
            assert await answer(tab, "more") == "0"
            assert await answer(tab, b"x" * 2 * MB) == str(2 * MB)
            assert await answer(tab, b"x" * (2 * MB + 1)) == 1009
            assert await answer(other, b"x" * 2 * MB) == 1009

    asyncio.run(run())


@pytest.mark.usefixtures("patched")
def test_pings_are_answered_between_messages() -> None:
    async def run() -> None:
        async with serving() as server, server.tab() as tab:
            for _ in range(3):
                await asyncio.wait_for(await tab.ping(), 10)
                assert await answer(tab, b"x" * 10_000) == "10000"

    asyncio.run(run())

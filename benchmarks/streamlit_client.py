"""A tab without a browser: speaks Streamlit's protocol over a websocket, as many as are wanted.

It does what Streamlit's page does as far as the server notices: the cookie of the page, compression
offered, cached messages named, fragments that ask to be run regularly. It draws nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import urllib.request
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.clock import now_ms
from benchmarks.provider import question
from benchmarks.words import end, new_name

T = TypeVar("T")
_SMALL = 2000  # bytes; while a reply is followed, larger messages are searched and not parsed


@dataclass(slots=True)
class Followed:
    """When (ms) the words of a reply came, and what came with them."""

    submitted: float
    seen: dict[str, float] = field(default_factory=dict)
    bytes: int = 0
    messages: int = 0


class Tab:
    """`async with Tab(url) as tab:` — connected, and the first run of the script is over."""

    def __init__(self, url: str, query: str = "", cookies: str = "") -> None:
        """With the `cookies` of another tab it is one of the same visitor."""
        self._url, self._query, self.cookies = url, query, cookies
        self._box: str | None = None  # the id of the chat input
        self._script = ""
        self._cached: set[str] = set()
        self._regular: dict[str, asyncio.Task[None]] = {}
        self._socket: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, *, waits: bool = True) -> None:
        """`waits` for the end of the first run; there is none while a reply is written."""
        if not self.cookies:
            self.cookies = await asyncio.to_thread(_cookies, f"{self._url}/?{self._query}")
        host = urlsplit(self._url).netloc
        self._socket = await connect(
            f"ws://{host}/_stcore/stream",
            additional_headers={"Cookie": self.cookies} if self.cookies else {},
            origin=f"http://{host}",  # type: ignore[arg-type]
            subprotocols=["streamlit", "PLACEHOLDER_AUTH_TOKEN"],  # type: ignore[list-item]
            max_size=None,
            ping_interval=None,
            close_timeout=0.5,  # who no longer reads would wait for the other side's farewell
        )
        await self._run({})
        if waits:
            await self.finished()

    async def close(self) -> None:
        self._calm()
        if self._socket is not None:
            await self._socket.close()

    async def rerun(self) -> float:
        """Run the script again with nothing changed; how long it took in ms."""
        began = now_ms()
        await self._run({})
        await self.finished()
        return now_ms() - began

    async def ask(self, question: str, words: list[str], patience: float = 120) -> Followed:
        """Send a question; follow until the last of `words` came and the script is over."""
        if self._box is None:
            raise RuntimeError("there is no box to type into")
        followed = Followed(now_ms())
        await self._run({self._box: question})
        waiting = [(word, word.encode()) for word in words]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while True:
                    data = await self._receive()
                    followed.bytes += len(data)
                    followed.messages += 1
                    while waiting and waiting[0][1] in data:
                        followed.seen[waiting.pop(0)[0]] = now_ms()
                    if len(data) < _SMALL and self._take(data) and not waiting:
                        break
        return followed

    async def finished(self, patience: float = 120) -> None:
        """Wait for the end of the script."""
        async with asyncio.timeout(patience):
            while not self._take(await self._receive()):
                pass

    async def _receive(self) -> bytes:
        assert self._socket is not None
        data = await self._socket.recv()
        assert isinstance(data, bytes)
        return data

    async def _run(
        self, typed: dict[str, str], fragment: str = "", *, is_regular: bool = False
    ) -> None:
        assert self._socket is not None
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string = self._query
        asked.page_script_hash = self._script
        asked.cached_message_hashes.extend(self._cached)
        asked.fragment_id, asked.is_auto_rerun = fragment, is_regular
        for widget, text in typed.items():
            state = asked.widget_states.widgets.add()
            state.id, state.chat_input_value.data = widget, text
        await self._socket.send(message.SerializeToString())

    def _take(self, data: bytes) -> bool:
        """Note what a message says; whether it is the end of the script."""
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if message.metadata.cacheable and kind != "ref_hash":
            self._cached.add(message.hash)
        if kind == "new_session":
            self._script = message.new_session.page_script_hash
            if not message.metadata.run.fragment_ids:
                self._calm()
        elif kind == "delta":
            element = message.delta.new_element
            if element.WhichOneof("type") == "chat_input":
                self._box = element.chat_input.id
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            asked = message.auto_rerun
            again = asyncio.create_task(self._regularly(asked.interval, asked.fragment_id))
            self._regular[asked.fragment_id] = again
        elif kind == "script_finished":
            return bool(message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY)
        return False

    async def _regularly(self, interval: float, fragment: str) -> None:
        while True:
            await asyncio.sleep(interval)
            await self._run({}, fragment, is_regular=True)

    def _calm(self) -> None:
        for task in self._regular.values():
            task.cancel()
        self._regular.clear()


def run(work: Coroutine[Any, Any, T]) -> T:
    """In a thread, for Playwright keeps a loop of its own in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def warm(url: str) -> None:
    """One reply, so that everything is imported that replies need."""
    async with Tab(url) as tab:
        name = new_name()
        await tab.ask(question(name, 250), [end(name)])


def _cookies(url: str) -> str:
    """Those that the page sets, as a header."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(url, timeout=60) as answer:
        answer.read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)

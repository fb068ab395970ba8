"""A browserless client for Streamlit's websocket protocol.

To the server it behaves like Streamlit's frontend: it sends the page's cookies, offers compression,
reports cached messages and reruns fragments on their interval. It renders nothing.
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
_SMALL = 2000  # bytes; larger messages are searched but not parsed while following a reply


@dataclass(slots=True)
class FollowedReply:
    """Times in ms at which words of a reply arrived, with the number of bytes and messages."""

    submitted: float
    seen: dict[str, float] = field(default_factory=dict)
    bytes: int = 0
    messages: int = 0


class Tab:
    """A connected tab: `async with Tab(url) as tab:` waits for the first script run."""

    def __init__(self, url: str, query: str = "", cookies: str = "") -> None:
        """Pass the `cookies` of another tab to open a tab of the same visitor."""
        self._url, self.query, self.cookies = url, query, cookies
        self.chat_input: str | None = None  # the id of the chat input
        self._script = ""
        self._cached: set[str] = set()
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._socket: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, *, waits: bool = True) -> None:
        """Connect; with `waits`, wait for the first run to end (it does not during a reply)."""
        if not self.cookies:
            self.cookies = await asyncio.to_thread(page_cookies, f"{self._url}/?{self.query}")
        host = urlsplit(self._url).netloc
        self._socket = await connect(
            f"ws://{host}/_stcore/stream",
            additional_headers={"Cookie": self.cookies} if self.cookies else {},
            origin=f"http://{host}",  # type: ignore[arg-type]
            subprotocols=["streamlit", "PLACEHOLDER_AUTH_TOKEN"],  # type: ignore[list-item]
            max_size=None,
            ping_interval=None,
            close_timeout=0.5,  # a client that stopped reading never receives the close frame
        )
        await self.run_script({})
        if waits:
            await self.finished()

    async def close(self) -> None:
        self._cancel_timers()
        if self._socket is not None:
            await self._socket.close()

    async def rerun(self) -> float:
        """Rerun the script without changes and return the duration in ms."""
        started = now_ms()
        await self.run_script({})
        await self.finished()
        return now_ms() - started

    async def ask(self, question: str, words: list[str], timeout_s: float = 120) -> FollowedReply:
        """Send a question and follow the reply until all `words` arrived and the script ended."""
        if self.chat_input is None:
            raise RuntimeError("the page has no chat input")
        followed = FollowedReply(now_ms())
        await self.run_script({self.chat_input: question})
        waiting = [(word, word.encode()) for word in words]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while True:
                    data = await self._receive()
                    followed.bytes += len(data)
                    followed.messages += 1
                    while waiting and waiting[0][1] in data:
                        followed.seen[waiting.pop(0)[0]] = now_ms()
                    if len(data) < _SMALL and self._handle(data) and not waiting:
                        break
        return followed

    async def finished(self, timeout_s: float = 120) -> None:
        """Wait for the script run to end."""
        async with asyncio.timeout(timeout_s):
            while not self._handle(await self._receive()):
                pass

    async def _receive(self) -> bytes:
        assert self._socket is not None
        data = await self._socket.recv()
        assert isinstance(data, bytes)
        return data

    async def run_script(
        self, typed: dict[str, str], fragment: str = "", *, is_auto_rerun: bool = False
    ) -> None:
        assert self._socket is not None
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string = self.query
        asked.page_script_hash = self._script
        asked.cached_message_hashes.extend(self._cached)
        asked.fragment_id, asked.is_auto_rerun = fragment, is_auto_rerun
        for widget, text in typed.items():
            state = asked.widget_states.widgets.add()
            state.id, state.chat_input_value.data = widget, text
        await self._socket.send(message.SerializeToString())

    def _handle(self, data: bytes) -> bool:
        """Process a message and return whether it ends the script run."""
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if message.metadata.cacheable and kind != "ref_hash":
            self._cached.add(message.hash)
        if kind == "new_session":
            self._script = message.new_session.page_script_hash
            if not message.metadata.run.fragment_ids:
                self._cancel_timers()
        elif kind == "delta":
            element = message.delta.new_element
            if element.WhichOneof("type") == "chat_input":
                self.chat_input = element.chat_input.id
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            asked = message.auto_rerun
            again = asyncio.create_task(self._rerun_fragment(asked.interval, asked.fragment_id))
            self._timers[asked.fragment_id] = again
        elif kind == "script_finished":
            return bool(message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY)
        return False

    async def _rerun_fragment(self, interval: float, fragment: str) -> None:
        while True:
            await asyncio.sleep(interval)
            await self.run_script({}, fragment, is_auto_rerun=True)

    def _cancel_timers(self) -> None:
        for task in self._timers.values():
            task.cancel()
        self._timers.clear()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new thread, because Playwright keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def warm(url: str) -> None:
    """Request one reply, so that all lazy imports are done."""
    async with Tab(url) as tab:
        name = new_name()
        await tab.ask(question(name, 250), [end(name)])


def page_cookies(url: str) -> str:
    """Return the cookies that the page sets, as a header value."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(url, timeout=60) as answer:
        answer.read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)

"""Streams are read in larger pieces, and none waits for its first words."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2
import pytest
from httpcore2 import AsyncNetworkStream

from chat.config.settings import Endpoint, Settings
from chat.domain.message import Role
from chat.providers.base import Request, Turn
from chat.providers.openai_compatible.client import Connection, OpenAIProvider
from chat.providers.openai_compatible.read_coalescing import (
    LONGEST,
    SHORTEST,
    Gathering,
    _Stream,
    pause,
)
from chat.providers.ssrf.transport import SsrfGuard
from tests.support.llm_server import LLMServer, Script, text_of
from tests.support.tls_server import TlsServer


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there already counts, however long a busy machine takes to read it."""
    monkeypatch.setattr("chat.providers.openai_compatible.read_coalescing._AT_MOST", 30.0)


class Sent(AsyncNetworkStream):
    """What a provider has sent already, one packet for each read; then it says nothing more."""

    def __init__(self, *packets: bytes) -> None:
        self.packets = list(packets)
        self.written: list[bytes] = []
        self.sizes: list[int] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        self.sizes.append(max_bytes)
        if not self.packets:
            await asyncio.Event().wait()
        return self.packets.pop(0)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self.written.append(buffer)


class Reading:
    """A stream whose pauses take no time; `waited` holds how long they would have been."""

    def __init__(self, sent: Sent, pause: float, *, is_encrypted: bool = False) -> None:
        self.waited: list[float] = []
        self._stream = _Stream(sent, lambda: pause, is_encrypted=is_encrypted, sleep=self._sleep)

    def read(self, times: int) -> list[bytes]:
        async def all_of_them() -> list[bytes]:
            return [await self._stream.read(1000) for _ in range(times)]

        return asyncio.run(all_of_them())

    def write(self, data: bytes) -> None:
        asyncio.run(self._stream.write(data))

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_the_first_words_wait_for_nothing(is_encrypted: bool) -> None:
    reading = Reading(Sent(b"head", b"a", b"b"), 9.0, is_encrypted=is_encrypted)
    assert reading.read(3) == [b"head", b"a", b"b"]
    assert reading.waited == []


def test_then_a_read_waits_and_takes_what_has_come() -> None:
    sent = Sent(b"head", b"a", b"b", b"cde", b"fg")
    reading = Reading(sent, 9.0)
    assert reading.read(5)[3:] == [b"cde", b"fg"]
    assert sent.sizes[:3] == [1000] * 3 and min(sent.sizes[3:]) > 1000
    assert [round(seconds) for seconds in reading.waited] == [9, 9]


def test_a_slow_stream_is_not_made_slower() -> None:
    class Slow(Sent):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            come = asyncio.Event()  # the packet is not there yet
            asyncio.get_running_loop().call_later(0.005, come.set)
            await come.wait()
            return await super().read(max_bytes, timeout)

    reading = Reading(Slow(b"head", b"a", b"b", b"c", b"d", b"e"), 0.002)
    assert reading.read(6) == [b"head", b"a", b"b", b"c", b"d", b"e"]
    assert reading.waited == []


def test_nothing_waits_where_nothing_is_to_be_gathered() -> None:
    packets = [b"head", b"a", b"b", b"c", b"d"]
    reading = Reading(Sent(*packets), 0.0)
    assert (reading.read(5), reading.waited) == (packets, [])


def test_encrypted_words_come_in_records_and_are_put_together() -> None:
    reading = Reading(Sent(b"head", b"a", b"b", b"c", b"d", b"e"), 9.0, is_encrypted=True)
    assert reading.read(4) == [b"head", b"a", b"b", b"cde"]


def test_the_end_is_met_once_and_not_taken_for_words() -> None:
    packets = [b"head", b"a", b"b", b"c", b"", b""]
    reading = Reading(Sent(*packets), 9.0, is_encrypted=True)
    assert reading.read(5) == [b"head", b"a", b"b", b"c", b""]


def test_the_next_response_begins_at_once_again() -> None:
    sent = Sent(b"head", b"a", b"b", b"c")
    reading = Reading(sent, 9.0)
    assert reading.read(4)[-1] == b"c"
    reading.write(b"another question")
    reading.waited.clear()
    sent.packets += [b"head", b"a", b"b"]
    assert (reading.read(3), reading.waited) == ([b"head", b"a", b"b"], [])
    assert sent.written == [b"another question"]


def test_the_more_there_are_the_longer_each_waits_up_to_a_moment() -> None:
    assert pause(1) == SHORTEST < pause(30) <= pause(1000) == LONGEST < 0.1


@pytest.mark.parametrize("is_guarded", [False, True], ids=["configured", "typed address"])
def test_the_connections_of_a_provider_are_read_so(
    monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    url = "https://models.example/v1"
    guard = SsrfGuard(httpx2.URL(url)) if is_guarded else None
    connection = Connection(Endpoint("acme", "Acme", url, "sk-nothing"), Settings(), guard=guard)
    client = connection._make_client()._client
    transports: list[Any] = [client._transport, *client._mounts.values()]
    pools = [getattr(each, "inner", each)._pool for each in transports if each is not None]
    assert len(pools) == (1 if is_guarded else 2), "one of them leads through the proxy"
    assert all(isinstance(pool._network_backend, Gathering) for pool in pools)


def test_words_are_not_lost_with_a_connection_that_breaks_behind_them() -> None:
    class Broken(Sent):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            packet = await super().read(max_bytes, timeout)
            if packet == b"reset":
                self.packets.insert(0, packet)
                raise httpcore2.ReadError
            return packet

    sent = Broken(b"head", b"a", b"b", b"c", b"d", b"reset")
    reading = Reading(sent, 9.0, is_encrypted=True)
    assert reading.read(4) == [b"head", b"a", b"b", b"cd"]
    with pytest.raises(httpcore2.ReadError):
        reading.read(1)


def test_words_are_not_lost_with_a_record_that_is_broken_behind_them() -> None:
    class Broken(Sent):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            packet = await super().read(max_bytes, timeout)
            if packet == b"broken":  # which OpenSSL says once
                raise ssl.SSLError("record layer failure")
            return packet

    sent = Broken(b"head", b"a", b"b", b"c", b"d", b"broken", b"")
    reading = Reading(sent, 9.0, is_encrypted=True)
    assert reading.read(4) == [b"head", b"a", b"b", b"cd"]
    with pytest.raises(ssl.SSLError, match="record layer"):
        reading.read(1)


@pytest.mark.parametrize("pace", [None, 2000], ids=["at once", "fast"])
def test_a_long_reply_over_tls_comes_whole(tmp_path: Path, pace: float | None) -> None:
    async def words(url: str, authority: Path) -> str:
        context = ssl.create_default_context(cafile=str(authority))
        client = httpx2.AsyncClient(verify=context)
        endpoint = Endpoint("acme", "Acme", url, "sk-nothing")
        acme = OpenAIProvider(endpoint, Settings(), http_client=client)
        request = Request("echo", (Turn(Role.USER, "Count."),))
        said = [delta.text async for delta in acme.stream(request)]
        await acme.close()
        return "".join(said)

    with LLMServer() as server:
        port = urlsplit(server.base_url).port
        assert port is not None
        with TlsServer(tmp_path, ["localhost"], port) as tls:
            server.next(Script(tokens=1500, pace=pace))
            url = f"https://localhost:{tls.port}/v1"
            assert asyncio.run(words(url, tls.authority)) == text_of(1500)

"""Streams are read in larger pieces while many run, and none waits for its first words."""

from __future__ import annotations

import asyncio
from typing import Any

import httpcore2
import httpx2
import pytest
from httpcore2 import AsyncNetworkStream

from chat.providers.gathering import ALONE, LONGEST, Gathering, _Stream, pause
from chat.providers.guard import Guard
from chat.providers.openai_api import Connection
from chat.settings import Endpoint, Settings


class Sent(AsyncNetworkStream):
    """What a provider has sent already, one packet for each read."""

    def __init__(self, *packets: bytes) -> None:
        self.packets = list(packets)
        self.written: list[bytes] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return self.packets.pop(0)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self.written.append(buffer)

    def get_extra_info(self, info: str) -> Any:
        return bool(self.packets) if info == "is_readable" else None


def read(stream: _Stream, times: int) -> list[bytes]:
    async def all_of_them() -> list[bytes]:
        return [await stream.read(1000) for _ in range(times)]

    return asyncio.run(all_of_them())


def test_one_that_reads_alone_waits_for_nothing() -> None:
    packets = [b"head", b"a", b"b", b"c", b"d"]
    assert read(_Stream(Sent(*packets), lambda: 0.0), 5) == packets


def test_in_a_crowd_only_the_first_words_come_one_by_one() -> None:
    stream = _Stream(Sent(b"head", b"a", b"b", b"c", b"d", b"e"), lambda: 0.001)
    assert read(stream, 4) == [b"head", b"a", b"b", b"cde"]


def test_the_end_is_met_once_and_not_taken_for_words() -> None:
    stream = _Stream(Sent(b"head", b"a", b"b", b"c", b"", b""), lambda: 0.001)
    assert read(stream, 5) == [b"head", b"a", b"b", b"c", b""]


def test_the_next_response_begins_at_once_again() -> None:
    sent = Sent(b"head", b"a", b"b", b"c")
    stream = _Stream(sent, lambda: 0.001)
    assert read(stream, 4)[-1] == b"c"
    asyncio.run(stream.write(b"another question"))
    sent.packets += [b"head", b"a", b"b"]
    assert read(stream, 2) == [b"head", b"a"]
    assert sent.written == [b"another question"]


def test_the_more_there_are_the_longer_each_waits_up_to_a_moment() -> None:
    assert pause(ALONE) == 0.0
    assert 0 < pause(ALONE + 1) < pause(30) <= pause(1000) == LONGEST < 0.1


@pytest.mark.parametrize("is_guarded", [False, True], ids=["configured", "typed address"])
def test_the_connections_of_a_provider_are_read_so(
    monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    url = "https://models.example/v1"
    guard = Guard(httpx2.URL(url)) if is_guarded else None
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

    stream = _Stream(Broken(b"head", b"a", b"b", b"c", b"d", b"reset"), lambda: 0.001)
    assert read(stream, 4) == [b"head", b"a", b"b", b"cd"]
    with pytest.raises(httpcore2.ReadError):
        read(stream, 1)

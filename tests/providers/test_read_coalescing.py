"""Read coalescing: fewer, larger reads of a fast stream, and no delay of its first tokens."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpcore2
import pytest
from httpcore2 import AsyncNetworkStream

from chat.config.settings import Endpoint, Settings
from chat.domain.message import Role
from chat.providers.base import Request, Turn
from chat.providers.openai_compatible.client import OpenAIProvider
from chat.providers.openai_compatible.read_coalescing import (
    MAX_DELAY,
    MIN_DELAY,
    CoalescingStream,
    coalescing_delay,
)
from chat.providers.openai_compatible.transport import shared_ssl_context
from tests.support.llm_server import LLMServer, Script, text_of
from tests.support.tls_server import TlsServer


@pytest.fixture(autouse=True)
def no_drain_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drain all records that are available, however slow a busy machine is."""
    name = "chat.providers.openai_compatible.read_coalescing._MAX_DRAIN_SECONDS"
    monkeypatch.setattr(name, 30.0)


class PacketStream(AsyncNetworkStream):
    """Returns one packet per read, then blocks."""

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


class Reader:
    """Reads a stream with a fake sleep; `sleeps` holds the requested seconds."""

    def __init__(self, inner: PacketStream, delay: float, *, is_encrypted: bool = False) -> None:
        self.sleeps: list[float] = []
        self._stream = CoalescingStream(
            inner, lambda: delay, is_encrypted=is_encrypted, sleep=self._sleep
        )

    def read(self, times: int) -> list[bytes]:
        async def run() -> list[bytes]:
            return [await self._stream.read(1000) for _ in range(times)]

        return asyncio.run(run())

    def write(self, data: bytes) -> None:
        asyncio.run(self._stream.write(data))

    async def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_first_reads_of_a_response_are_not_delayed(is_encrypted: bool) -> None:
    reader = Reader(PacketStream(b"head", b"a", b"b"), 9.0, is_encrypted=is_encrypted)
    assert reader.read(3) == [b"head", b"a", b"b"]
    assert reader.sleeps == []


def test_later_reads_wait_and_return_all_available_bytes() -> None:
    inner = PacketStream(b"head", b"a", b"b", b"cde", b"fg")
    reader = Reader(inner, 9.0)
    assert reader.read(5)[3:] == [b"cde", b"fg"]
    assert inner.sizes[:3] == [1000] * 3 and min(inner.sizes[3:]) > 1000
    assert [round(seconds) for seconds in reader.sleeps] == [9, 9]


def test_slow_stream_is_not_delayed_further() -> None:
    class SlowStream(PacketStream):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            arrived = asyncio.Event()
            asyncio.get_running_loop().call_later(0.005, arrived.set)
            await arrived.wait()
            return await super().read(max_bytes, timeout)

    reader = Reader(SlowStream(b"head", b"a", b"b", b"c", b"d", b"e"), 0.002)
    assert reader.read(6) == [b"head", b"a", b"b", b"c", b"d", b"e"]
    assert reader.sleeps == []


def test_delay_of_zero_disables_coalescing() -> None:
    packets = [b"head", b"a", b"b", b"c", b"d"]
    reader = Reader(PacketStream(*packets), 0.0)
    assert (reader.read(5), reader.sleeps) == (packets, [])


def test_tls_records_are_joined() -> None:
    inner = PacketStream(b"head", b"a", b"b", b"c", b"d", b"e")
    assert Reader(inner, 9.0, is_encrypted=True).read(4) == [b"head", b"a", b"b", b"cde"]


def test_end_of_stream_is_returned_by_a_read_of_its_own() -> None:
    inner = PacketStream(b"head", b"a", b"b", b"c", b"", b"")
    reader = Reader(inner, 9.0, is_encrypted=True)
    assert reader.read(5) == [b"head", b"a", b"b", b"c", b""]


def test_next_response_on_a_connection_starts_without_delay() -> None:
    inner = PacketStream(b"head", b"a", b"b", b"c")
    reader = Reader(inner, 9.0)
    assert reader.read(4)[-1] == b"c"
    reader.write(b"another request")
    reader.sleeps.clear()
    inner.packets += [b"head", b"a", b"b"]
    assert (reader.read(3), reader.sleeps) == ([b"head", b"a", b"b"], [])
    assert inner.written == [b"another request"]


def test_delay_grows_with_open_streams_up_to_a_maximum() -> None:
    assert coalescing_delay(1) == MIN_DELAY < coalescing_delay(30)
    assert coalescing_delay(30) <= coalescing_delay(1000) == MAX_DELAY < 0.1


def test_read_error_does_not_discard_the_bytes_before_it() -> None:
    class ResetStream(PacketStream):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            packet = await super().read(max_bytes, timeout)
            if packet == b"reset":
                self.packets.insert(0, packet)
                raise httpcore2.ReadError
            return packet

    inner = ResetStream(b"head", b"a", b"b", b"c", b"d", b"reset")
    reader = Reader(inner, 9.0, is_encrypted=True)
    assert reader.read(4) == [b"head", b"a", b"b", b"cd"]
    with pytest.raises(httpcore2.ReadError):
        reader.read(1)


def test_tls_error_does_not_discard_the_bytes_before_it() -> None:
    class DamagedStream(PacketStream):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            packet = await super().read(max_bytes, timeout)
            if packet == b"damaged":  # OpenSSL reports it only once
                raise ssl.SSLError("record layer failure")
            return packet

    inner = DamagedStream(b"head", b"a", b"b", b"c", b"d", b"damaged", b"")
    reader = Reader(inner, 9.0, is_encrypted=True)
    assert reader.read(4) == [b"head", b"a", b"b", b"cd"]
    with pytest.raises(ssl.SSLError, match="record layer"):
        reader.read(1)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a TLS server with a certificate that providers trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    shared_ssl_context.cache_clear()
    yield tmp_path
    shared_ssl_context.cache_clear()


@pytest.mark.parametrize("pace", [None, 2000], ids=["at once", "fast"])
def test_long_reply_over_tls_is_complete(trusted: Path, pace: float | None) -> None:
    async def reply(url: str) -> str:
        acme = OpenAIProvider(Endpoint("acme", "Acme", url, "sk-nothing"), Settings())
        request = Request("echo", (Turn(Role.USER, "Count."),))
        texts = [delta.text async for delta in acme.stream(request)]
        await acme.close()
        return "".join(texts)

    with LLMServer() as server:
        port = urlsplit(server.base_url).port
        assert port is not None
        with TlsServer(trusted, ["localhost"], port) as tls:
            server.next(Script(tokens=1500, pace=pace))
            assert asyncio.run(reply(f"https://localhost:{tls.port}/v1")) == text_of(1500)

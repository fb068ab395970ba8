"""HTTP transport of provider connections: network backend, proxies of the environment, errors."""

from __future__ import annotations

import asyncio
from typing import Any

import httpcore2
import httpx2
import pytest

from chat.providers.openai_compatible.environment import environment_proxy
from chat.providers.openai_compatible.transport import (
    PoolTransport,
    create_transport,
    shared_ssl_context,
)
from chat.providers.ssrf.transport import SsrfGuard

PROXY = "http://proxy.example:3128"
URL = "https://models.example/v1"
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class RecordingBackend(httpcore2.AsyncMockBackend):
    """Answers every connection with `RESPONSE` and records where it would lead."""

    def __init__(self) -> None:
        super().__init__([RESPONSE])
        self.connected: list[tuple[str, int]] = []

    async def connect_tcp(
        self, host: str, port: int, *args: Any, **kwargs: Any
    ) -> httpcore2.AsyncNetworkStream:
        self.connected.append((host, port))
        return await super().connect_tcp(host, port)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def get(transport: httpx2.AsyncBaseTransport, url: str) -> httpx2.Response:
    async def run() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=transport) as client:
            return await client.get(url)

    return asyncio.run(run())


def test_request_goes_through_the_given_backend() -> None:
    backend = RecordingBackend()
    response = get(PoolTransport(shared_ssl_context(), backend), "http://models.example/v1")
    assert (response.status_code, response.text) == (200, "hi")
    assert backend.connected == [("models.example", 80)]


@pytest.mark.parametrize("proxy", [PROXY, "http://user:password@proxy.example:3128/"])
def test_request_goes_through_the_proxy(proxy: str) -> None:
    backend = RecordingBackend()
    get(PoolTransport(shared_ssl_context(), backend, proxy=proxy), "http://models.example/v1")
    assert backend.connected == [("proxy.example", 3128)]


@pytest.mark.parametrize(
    "kind", ["ConnectError", "ConnectTimeout", "ReadError", "ReadTimeout", "RemoteProtocolError"]
)
def test_network_errors_are_raised_as_those_of_httpx2(kind: str) -> None:
    class FailingBackend(httpcore2.AsyncMockBackend):
        async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
            raise getattr(httpcore2, kind)("failed")

    with pytest.raises(getattr(httpx2, kind), match="failed"):
        get(PoolTransport(shared_ssl_context(), FailingBackend([])), "http://models.example/v1")


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, URL, None),
        ({"HTTPS_PROXY": PROXY}, URL, PROXY),
        ({"ALL_PROXY": PROXY}, URL, PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, URL, PROXY),
        ({"HTTP_PROXY": PROXY}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "models.example"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".example"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, URL, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "other.example"}, URL, PROXY),
        ({"HTTP_PROXY": PROXY}, "http://127.0.0.1:11434/v1", None),
        ({"HTTP_PROXY": PROXY}, "http://localhost:11434/v1", None),
        ({"HTTP_PROXY": PROXY}, "http://[::1]:11434/v1", None),
    ],
)
def test_proxy_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_proxy(url) == proxy


@pytest.mark.parametrize("is_guarded", [False, True], ids=["configured", "user-supplied"])
def test_guarded_connection_ignores_the_proxy(
    monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    async def resolve(host: str) -> list[str]:
        return ["93.184.215.14"]

    monkeypatch.setenv("HTTP_PROXY", PROXY)
    url, backend = "http://models.example/v1", RecordingBackend()
    guard = SsrfGuard(httpx2.URL(url), resolve) if is_guarded else None
    get(create_transport(url, lambda: 0.0, guard, backend=backend), url)
    assert backend.connected == [
        ("93.184.215.14", 80) if is_guarded else ("proxy.example", 3128),
    ]


@pytest.mark.parametrize("proxy", [None, PROXY], ids=["direct", "proxy"])
def test_long_responses_are_read_in_coalesced_chunks(
    monkeypatch: pytest.MonkeyPatch, proxy: str | None
) -> None:
    class PacketBackend(RecordingBackend):
        async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
            return stream

    class PacketStream(httpcore2.AsyncMockStream):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            sizes.append(max_bytes)
            return await super().read(max_bytes, timeout)

    if proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
    sizes: list[int] = []
    stream = PacketStream([RESPONSE.replace(b": 2", b": 6")[:-2] + b"a", *[b"b"] * 5])
    url = "http://models.example/v1"
    response = get(create_transport(url, lambda: 0.001, backend=PacketBackend()), url)
    assert response.text == "abbbbb"
    assert len(set(sizes[:3])) == 1 and min(sizes[3:]) > max(sizes[:3])

"""Failures of a provider over real sockets: error class, text received so far, no key in errors."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.domain.message import Role
from chat.providers.base import Delta, Request, Turn
from chat.providers.openai_compatible.client import OpenAIProvider
from chat.providers.openai_compatible.transport import shared_ssl_context
from tests.support.expected_errors import AFTER_FIVE_TOKENS, BEFORE_ANY_TEXT
from tests.support.llm_server import (
    LLMServer,
    Script,
    comments_between_tokens,
    endless_comments,
    text_of,
)

KEY = "my-Secret-Passphrase"


@pytest.fixture(scope="module")
def shared_server() -> Iterator[LLMServer]:
    shared_ssl_context()  # its creation must not count towards the timeout of the first test
    with LLMServer() as server:
        yield server


@pytest.fixture
def server(shared_server: LLMServer) -> LLMServer:
    shared_server.requests.clear()
    return shared_server


def provider(base_url: str, **values: float) -> OpenAIProvider:
    settings = Settings(**{"max_retries": 0, "values": {}, **values})  # type: ignore[arg-type]
    return OpenAIProvider(Endpoint("acme", "Acme", base_url, KEY), settings)


def ask(model: str) -> Request:
    return Request(model, (Turn(Role.USER, "hello"),), temperature=0.5, max_tokens=50)


def reply(base_url: str, model: str, **values: float) -> tuple[list[Delta], Exception | None]:
    """Return the deltas of a reply and the error that ended it, if any."""

    async def run() -> tuple[list[Delta], Exception | None]:
        acme, deltas = provider(base_url, **values), []
        try:
            async for delta in acme.stream(ask(model)):
                deltas.append(delta)
        except errors.ProviderError as error:
            return deltas, error
        finally:
            await acme.close()
        return deltas, None

    return asyncio.run(run())


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def within(seconds: float, started: datetime) -> bool:
    return datetime.now(UTC) - started < timedelta(seconds=seconds)


@pytest.mark.parametrize(("name", "kind"), BEFORE_ANY_TEXT.items())
def test_each_failure_before_any_text_has_its_own_error(
    server: LLMServer, name: str, kind: type[errors.ProviderError]
) -> None:
    deltas, error = reply(server.base_url, f"fault:{name}", first_token_timeout=1.0)
    assert type(error) is kind
    assert text(deltas) == ""
    assert KEY not in str(error)
    assert KEY not in error.details
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(("name", "kind"), AFTER_FIVE_TOKENS.items())
def test_text_before_a_failure_is_kept(
    server: LLMServer, name: str, kind: type[errors.ProviderError]
) -> None:
    deltas, error = reply(server.base_url, f"fault:{name}", idle_timeout=0.2)
    assert type(error) is kind
    assert text(deltas) == text_of(5)


def test_long_rate_limit_is_reported_without_a_retry(server: LLMServer) -> None:
    started = datetime.now(UTC)
    _, error = reply(server.base_url, "fault:429", max_retries=2)
    assert isinstance(error, errors.RateLimited)
    assert error.retry_at is not None
    assert 25 < (error.retry_at - started).total_seconds() < 35
    assert within(5, started)
    assert len(server.requests) == 1


def test_short_rate_limit_is_retried(server: LLMServer) -> None:
    headers = (("retry-after-ms", "20"),)
    limited = Script(status=429, body={"error": {"message": "slow"}}, headers=headers)
    server.next(limited, limited, Script(tokens=3))
    deltas, error = reply(server.base_url, "any", max_retries=2)
    assert error is None
    assert text(deltas) == text_of(3)


def test_missing_credit_is_not_retried(server: LLMServer) -> None:
    _, error = reply(server.base_url, "fault:quota", max_retries=2)
    assert isinstance(error, errors.NoCredit)
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["temperature", "max_tokens", "stream_options"])
def test_refused_parameter_is_omitted_or_renamed_and_remembered(
    server: LLMServer, name: str
) -> None:
    async def run() -> None:
        acme = provider(server.base_url)
        for _ in range(2):
            deltas = [delta async for delta in acme.stream(ask(f"fault:refuses-{name}"))]
            assert text(deltas) == text_of(20)
        await acme.close()

    asyncio.run(run())
    sent = [set(seen.body) for seen in server.requests]
    assert [name in each for each in sent] == [True, False, False]
    assert ("max_completion_tokens" in sent[-1]) is (name == "max_tokens")


def test_parameter_refused_under_both_names_raises_refused_parameter(server: LLMServer) -> None:
    both = Script(refuses=("max_tokens", "max_completion_tokens"))
    server.next(both, both)
    _, error = reply(server.base_url, "any")
    assert isinstance(error, errors.RefusedParameter)
    assert len(server.requests) == 2


def test_reply_at_the_token_limit_ends_normally(server: LLMServer) -> None:
    deltas, error = reply(server.base_url, "fault:length")
    assert error is None
    assert deltas[-1].finish_reason == "length"


def test_server_that_does_not_stream_is_supported(server: LLMServer) -> None:
    deltas, error = reply(server.base_url, "fault:json")
    assert error is None
    assert text(deltas) == text_of(20)
    assert deltas[-1].usage is not None


def test_closed_port_raises_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    _, error = reply(f"http://127.0.0.1:{port}/v1", "any")
    assert type(error) is errors.ConnectionRefused


def test_unknown_host_raises_name_not_found() -> None:
    _, error = reply("http://no-such-host.invalid/v1", "any")
    assert type(error) is errors.NameNotFound


def test_server_without_tls_raises_tls_failed() -> None:
    error = asyncio.run(_against(_plain_text, scheme="https"))
    assert type(error) is errors.TlsFailed


def test_connect_timeout_is_not_retried() -> None:
    # A full backlog drops the first packet, like a firewall.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        started = datetime.now(UTC)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        _, error = reply(url, "any", connect_timeout=0.2, max_retries=2)
        for filler in fillers:
            filler.close()
    assert type(error) is errors.ConnectionLost
    assert within(2, started)


def test_rejected_key_raises_wrong_key() -> None:
    with LLMServer(api_key="the-right-one") as strict:
        _, error = reply(strict.base_url, "any")
    assert type(error) is errors.WrongKey
    assert KEY not in error.details


def stopped(server: LLMServer, script: Script, after: int, stop: str) -> float:
    """Return the seconds from the stop, after that many deltas, to the server's disconnect."""

    async def run() -> float:
        acme = provider(server.base_url)
        arrived = asyncio.Event()

        async def read() -> None:
            seen = 0
            async with aclosing(acme.stream(ask("any"))) as deltas:
                async for delta in deltas:
                    seen += bool(delta.text)
                    if seen == after:
                        arrived.set()
                        if stop == "aclose":
                            return

        server.next(script)
        task = asyncio.create_task(read())
        if after:
            await arrived.wait()
        request = (await asyncio.to_thread(server.wait_for_requests, 1))[0]
        began = asyncio.get_running_loop().time()
        if stop == "cancel":
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await asyncio.to_thread(request.disconnected.wait, 5)
        await acme.close()
        assert request.disconnected_at is not None
        return request.disconnected_at - began

    return asyncio.run(run())


@pytest.mark.parametrize("stop", ["cancel", "aclose"])
def test_stop_during_a_reply_closes_the_connection(server: LLMServer, stop: str) -> None:
    gate = threading.Event()
    assert stopped(server, Script(gate=gate, gate_at=5), 5, stop) < 0.5


def test_stop_before_the_first_token_closes_the_connection(server: LLMServer) -> None:
    assert stopped(server, Script(gate=threading.Event()), 0, "cancel") < 0.5


def test_keep_alive_comments_do_not_count_as_a_first_token() -> None:
    error = asyncio.run(_against(endless_comments, first_token_timeout=0.3))
    assert type(error) is errors.FirstTokenTimeout


def test_keep_alive_comments_extend_the_idle_timeout() -> None:
    error = asyncio.run(_against(comments_between_tokens, idle_timeout=0.5))
    assert error is None


async def _against(
    talk: Callable[[asyncio.StreamWriter], Awaitable[None]],
    *,
    scheme: str = "http",
    **values: float,
) -> Exception | None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await (reader.readuntil(b"\r\n\r\n") if scheme == "http" else reader.read(1))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            await talk(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    acme = provider(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", **values)
    try:
        async for _ in acme.stream(ask("any")):
            pass
    except errors.ProviderError as error:
        return error
    finally:
        await acme.close()
        server.close()
    return None


async def _plain_text(writer: asyncio.StreamWriter) -> None:
    await writer.drain()


def test_ssl_context_is_created_once() -> None:
    assert isinstance(shared_ssl_context(), ssl.SSLContext)
    assert shared_ssl_context() is shared_ssl_context()

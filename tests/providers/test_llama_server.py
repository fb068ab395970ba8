"""The local provider against llama.cpp in this process, with a tiny model of random weights."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.domain.message import Role
from chat.providers.base import Delta, Request, Turn
from chat.providers.local_gguf import LocalModelProvider
from chat.providers.openai_compatible.client import OpenAIProvider

pytest.importorskip("xllamacpp")
pytest.importorskip("gguf")

SETTINGS = Settings(values={}, max_history_tokens=1000, max_reply_tokens=1000, max_retries=0)


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_gguf import write_tiny_gguf

    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", context=2048)


@pytest.fixture(scope="module")
def slow_gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_gguf import write_tiny_gguf

    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "slow.gguf", layers=100, context=4096)


@asynccontextmanager
async def loaded(path: Path) -> AsyncIterator[LocalModelProvider]:
    local = LocalModelProvider(str(path), SETTINGS)
    try:
        yield local
    finally:
        await local.close()


def ask(text: str = "hello", max_tokens: int = 20) -> Request:
    return Request("tiny", (Turn(Role.USER, text),), temperature=0.0, max_tokens=max_tokens)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def test_reply_streams_with_usage(gguf_file: Path) -> None:
    async def test() -> None:
        async with loaded(gguf_file) as local:
            deltas: list[Delta] = [delta async for delta in local.stream(ask())]
        assert len([delta for delta in deltas if delta.text]) > 1
        assert deltas[-1].finish_reason in {"length", "stop"}
        assert deltas[-1].usage is not None
        assert deltas[-1].usage.is_reported
        assert 0 < deltas[-1].usage.completion_tokens <= 20

    run(test())


def test_model_is_named_after_its_file_and_has_a_window_after_loading(gguf_file: Path) -> None:
    async def test() -> None:
        async with loaded(gguf_file) as local:
            before = local.models()
            await local.discover()
            assert [model.ref for model in local.models()] == ["local/tiny"]
            assert [model.ref for model in before] == ["local/tiny"]
            assert local.models()[0].window_tokens == 2048

    run(test())


def test_concurrent_replies_load_the_model_once(gguf_file: Path) -> None:
    async def test() -> None:
        async with loaded(gguf_file) as local:

            async def answer() -> int:
                return len([delta async for delta in local.stream(ask())])

            both = await asyncio.gather(answer(), answer())
            assert all(both)

    run(test())


def test_stopped_reply_frees_its_slot(slow_gguf_file: Path) -> None:
    async def test() -> None:
        async with loaded(slow_gguf_file) as local:
            async with aclosing(local.stream(ask(max_tokens=1000))) as deltas:
                async for delta in deltas:
                    if delta.text:
                        break
                assert await _busy_slots(local) == 1
            while await _busy_slots(local):  # bounded by the timeout of `run`
                pass

    run(test())


def test_conversation_over_the_window_raises_context_too_long(gguf_file: Path) -> None:
    async def test() -> None:
        async with loaded(gguf_file) as local:
            with pytest.raises(errors.ContextTooLong) as caught:
                async for _ in local.stream(ask("hello " * 1000)):
                    pass
        assert "exceed_context_size_error" in caught.value.details

    run(test())


def test_request_without_the_key_is_rejected(gguf_file: Path) -> None:
    async def test() -> None:
        async with loaded(gguf_file) as local:
            await local.discover()
            endpoint = Endpoint("other", "Other", _address(local), "not-the-key")
            other = OpenAIProvider(endpoint, SETTINGS)
            with pytest.raises(errors.WrongKey):
                async for _ in other.stream(ask()):
                    pass
            await other.close()

    run(test())


def test_close_stops_the_server(gguf_file: Path) -> None:
    async def test() -> None:
        async with loaded(gguf_file) as local:
            await local.discover()
            address = _address(local)
        async with httpx2.AsyncClient() as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get(address)

    run(test())


def test_close_does_not_wait_for_a_server_that_hangs(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, has_begun = threading.Event(), threading.Event()

    class HangingServer:
        def __del__(self) -> None:
            has_begun.set()
            release.wait(60)

    monkeypatch.setattr("chat.providers.local_gguf.SHUTDOWN_TIMEOUT", 0.05)

    async def test() -> None:
        local = LocalModelProvider(str(gguf_file), SETTINGS)
        local._server = HangingServer()
        await local.close()
        assert has_begun.wait(10)

    run(test())
    release.set()


def test_missing_model_file_raises_settings_error(tmp_path: Path) -> None:
    with pytest.raises(errors.SettingsError, match="no such file"):
        LocalModelProvider(str(tmp_path / "none.gguf"), SETTINGS)


def test_invalid_model_file_raises_model_not_loaded_and_can_be_retried(
    tmp_path: Path, gguf_file: Path
) -> None:
    path, valid = tmp_path / "tiny.gguf", gguf_file.read_bytes()

    async def test() -> None:
        path.write_bytes(b"not a model")
        async with loaded(path) as local:
            await local.discover()
            assert isinstance(local.last_error, errors.ModelNotLoaded)
            with pytest.raises(errors.ModelNotLoaded, match="LOCAL_MODEL"):
                async for _ in local.stream(ask()):
                    pass
            path.write_bytes(valid)
            assert [delta async for delta in local.stream(ask())]

    run(test())


def _address(local: LocalModelProvider) -> str:
    assert local.base_url is not None
    return local.base_url


async def _busy_slots(local: LocalModelProvider) -> int:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {local.key}"}) as client:
        slots = (await client.get(f"{_address(local).removesuffix('/v1')}/slots")).json()
    return sum(slot["is_processing"] for slot in slots)

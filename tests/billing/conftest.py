"""Fixtures for tests of limits and of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chat import ChatService, open_chat
from tests.support.limited_service import Clock, Open
from tests.support.llm_server import LLMServer
from tests.support.scripted_provider import ScriptedProvider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_service(database_url: str, provider: ScriptedProvider, clock: Clock) -> Iterator[Open]:
    """Open services with limits, on the scripted provider or on `server`."""
    opened: list[ChatService] = []

    def open_one(server: LLMServer | None = None, **config: Any) -> ChatService:
        base: dict[str, Any] = {"DATABASE_URL": database_url, "FIND_LOCAL_SERVERS": "false"}
        if server is not None:
            base |= {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k", "MAX_RETRIES": "0"}
        opened.append(
            open_chat(base | config, providers=None if server else [provider], clock=clock)
        )
        return opened[-1]

    yield open_one
    provider.release()
    for service in opened:
        service.close()


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server

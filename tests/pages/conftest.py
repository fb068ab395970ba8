"""Fixtures for tests that render the pages with AppTest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from pages.session import process
from tests.support.app_page import APP, VISITOR, OpenPage
from tests.support.llm_server import LLMServer


@pytest.fixture(scope="session", autouse=True)
def component_manifests() -> Iterator[None]:
    """Cache the manifests of installed components; every AppTest scans all packages for them."""
    with pytest.MonkeyPatch.context() as patch:
        found = manifest_scanner.scan_component_manifests()
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda *_, **__: found)
        yield


@pytest.fixture(scope="module")
def llm() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def server(llm: LLMServer) -> LLMServer:
    """A local LLM server without recorded requests and scripted replies."""
    llm.requests.clear()
    llm._next.clear()
    return llm


@pytest.fixture
def app_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_database_url: str
) -> Iterator[None]:
    """An empty working directory and database. No provider is configured, so Guide answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", any_database_url)
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    monkeypatch.setenv("MAX_RETRIES", "0")
    monkeypatch.setenv("MAX_USER_MESSAGE_TOKENS", "300")
    process.reset()
    yield
    process.reset()


@pytest.fixture
def open_page(app_environment: None) -> Iterator[OpenPage]:
    """A function that opens the app in another tab, of the same visitor by default."""

    def open_page(conversation: str | None = None, visitor: str = VISITOR) -> AppTest:
        page = AppTest.from_file(APP, default_timeout=20)
        page.session_state["visitor"] = visitor
        page.context = {"timezone": "UTC"}
        if conversation is not None:
            page.query_params["c"] = conversation
        return page.run()

    yield open_page
    process.chat_service().close()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, server: LLMServer, open_page: OpenPage) -> AppTest:
    """An empty conversation whose replies come from `server`."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_MODELS", "echo")
    return open_page()

"""Unreachable providers: neither start-up nor other providers wait for them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat import ReplySettings, Status, Submission, open_chat

ME = "visitor:me"


@pytest.fixture
def black_hole() -> Iterator[str]:
    """URL of a listener with a full backlog, where connection attempts get no response."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(8):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    for each in [*fillers, listener]:
        each.close()


def test_guide_answers_during_provider_discovery(tmp_path: Path, black_hole: str) -> None:
    names = ("OPENAI", "GROQ", "MISTRAL", "GEMINI", "TOGETHER", "FIREWORKS", "OPENROUTER")
    config = {f"{name}_BASE_URL": black_hole for name in names}
    config |= {f"{name}_API_KEY": "sk-nothing-to-see" for name in names}
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'parley.db'}"}
    service = open_chat({**config, **database, "FIND_LOCAL_SERVERS": "false"})
    try:
        assert service.models.is_discovering
        assert service.models.available(), "no models during discovery"
        guide = ReplySettings(model="guide/guide")
        answer = service.as_owner(ME).messages.send(None, Submission("hello"), guide)
        assert service.models.is_discovering, "a call waited for discovery"
        text = "".join(piece.text for piece in service.as_owner(ME).messages.follow(answer.id))
        assert "Guide" in text
    finally:
        service.close()


def test_unreachable_provider_fails_with_connection_lost(tmp_path: Path, black_hole: str) -> None:
    service = open_chat(
        {
            "DATABASE_URL": f"sqlite:///{tmp_path / 'parley.db'}",
            "OPENAI_BASE_URL": black_hole,
            "OPENAI_API_KEY": "sk-nothing-to-see",
            "FIND_LOCAL_SERVERS": "false",
            "CONNECT_TIMEOUT": "0.2",
        }
    )
    try:
        answer = service.as_owner(ME).messages.send(None, Submission("hello"))
        assert list(service.as_owner(ME).messages.follow(answer.id))
        failed = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
        assert failed.status is Status.FAILED and failed.failure
        assert failed.failure.code == "connection_lost"
    finally:
        service.close()

"""Start-up and sending where the network swallows packets: nobody waits for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat import ReplySettings, Status, Submission, open_chat

ME = "visitor:me"


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address whose connection attempts are never answered: a listener with a full queue."""
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


def test_guide_answers_while_every_provider_is_still_being_looked_for(
    tmp_path: Path, black_hole: str
) -> None:
    names = ("OPENAI", "GROQ", "MISTRAL", "GEMINI", "TOGETHER", "FIREWORKS", "OPENROUTER")
    config = {f"{name}_BASE_URL": black_hole for name in names}
    config |= {f"{name}_API_KEY": "sk-nothing-to-see" for name in names}
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'parley.db'}"}
    service = open_chat({**config, **database, "FIND_LOCAL_SERVERS": "false"})
    try:
        assert service.is_discovering
        assert service.models(), "the known models are offered meanwhile"
        guide = ReplySettings(model="guide/guide")
        answer = service.send(ME, None, Submission("hello"), guide)
        assert service.is_discovering, "nothing so far waited for an answer from a provider"
        text = "".join(piece.text for piece in service.follow(ME, answer.id))
        assert "Guide" in text
    finally:
        service.close()


def test_a_provider_that_swallows_packets_ends_in_a_sentence(
    tmp_path: Path, black_hole: str
) -> None:
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
        answer = service.send(ME, None, Submission("hello"))
        assert list(service.follow(ME, answer.id))
        failed = service.open(ME, answer.conversation_id).messages[-1]
        assert failed.status is Status.FAILED and failed.failure
        assert failed.failure.code == "connection_lost"
    finally:
        service.close()

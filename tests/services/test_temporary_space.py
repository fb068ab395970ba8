"""Temporary conversations share the runtime: one event loop, catalogue and local model server."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chat import ChatService, Submission, open_chat
from chat.errors import ServiceClosed
from chat.providers.catalogue import Catalogue
from chat.providers.tokenizer import Tokenizer
from tests.support.markers import on_one_database

ME = "visitor:me"


def ask(service: ChatService, *, is_temporary: bool) -> None:
    me = service.as_owner(ME, is_temporary=is_temporary)
    answer = me.messages.send(None, Submission("Hello"))
    list(me.messages.follow(answer.id))
    assert me.conversations.open(answer.conversation_id).messages[-1].text


@pytest.mark.slow
def test_temporary_conversation_uses_the_same_local_model_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xllamacpp = pytest.importorskip("xllamacpp")
    pytest.importorskip("gguf")
    from tests.support.tiny_gguf import write_tiny_gguf

    model = write_tiny_gguf(tmp_path / "tiny.gguf", context=2048)
    start, addresses = xllamacpp.Server, []

    def start_and_count(params: object) -> object:
        server = start(params)
        addresses.append(server.listening_address)
        return server

    monkeypatch.setattr(xllamacpp, "Server", start_and_count)
    gc.collect()
    tokenizers = sum(isinstance(each, Tokenizer) for each in gc.get_objects())
    catalogues = sum(isinstance(each, Catalogue) for each in gc.get_objects())
    service = open_chat(
        {
            "DATABASE_URL": f"sqlite:///{tmp_path / 'parley.db'}",
            "LOCAL_MODEL": str(model),
            "FIND_LOCAL_SERVERS": "false",
            "MAX_REPLY_TOKENS": "16",
        }
    )
    try:
        ask(service, is_temporary=False)
        ask(service, is_temporary=True)
        found = gc.get_objects()
        assert len(addresses) == 1, "the number of llama.cpp servers"
        assert sum(isinstance(each, Catalogue) for each in found) == catalogues + 1
        assert sum(isinstance(each, Tokenizer) for each in found) == tokenizers + 1
        loops = [each for each in threading.enumerate() if each.name == "parley-replies"]
        assert len(loops) == 1
    finally:
        service.close()


@on_one_database
def test_concurrent_first_uses_open_one_temporary_space(service: ChatService) -> None:
    with ThreadPoolExecutor(8) as pool:
        spaces = set(pool.map(lambda _: service.temporary_space(), range(8)))
    assert len(spaces) == 1


@on_one_database
def test_temporary_space_is_refused_after_close(service: ChatService) -> None:
    service.close()
    with pytest.raises(ServiceClosed):
        service.as_owner(ME, is_temporary=True)

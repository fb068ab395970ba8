"""Tests for undo, purge and export, and that a purge leaves nothing in the session."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from chat.errors import (
    NotFound,
    StoreFailed,
)
from chat.services.messages import MessageService
from chat.services.transfer import TransferService
from pages.session import process
from tests.support.app_page import OWNER, all_text, conversation, keys, send, texts
from tests.support.llm_server import LLMServer, Script


def test_failed_export_of_all_shows_its_error(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(page, "Hello")
    page.switch_page("pages/screens/history.py").run()

    def fail(*_: object) -> int:
        raise StoreFailed

    monkeypatch.setattr(TransferService, "export_all", fail)
    page.button(key="export_all").click().run()
    page.run()
    assert [str(each.value) for each in page.error] == [StoreFailed.sentence]
    assert not page.get("link_button")


def test_purge_cannot_be_undone(page: AppTest) -> None:
    send(page, "Hello")
    address = conversation(page)
    page.button(key="delete_conversation").click().run()
    page.button(key="purge").click().run()
    assert "Deleted for good" in all_text(page)
    with pytest.raises(KeyError):
        page.button(key="undo")
    with pytest.raises(NotFound):
        process.chat_service().as_owner(OWNER).conversations.undelete(address)


def strings_in_memory(token: str) -> list[str]:
    """Return every string with `token` that an object of the garbage collector refers to."""

    def strings(value: object) -> Iterator[str]:
        if type(value) is str and token in value:
            yield value
        elif type(value) in (tuple, dict) and not gc.is_tracked(value):
            for each in gc.get_referents(value):
                yield from strings(each)

    gc.collect()
    referents = (each for tracked in gc.get_objects() for each in gc.get_referents(tracked))
    return [found for each in referents for found in strings(each)]


def test_purge_drops_the_sanitized_text_of_a_conversation(page: AppTest, server: LLMServer) -> None:
    token = secrets.token_hex(8)
    server.next(Script(text=f"{token} costs $5"))
    send(page, "How much is it?")
    page.run()
    sanitized = f"{token} costs \\$5"
    assert sanitized in strings_in_memory(token)
    page.button(key="delete_conversation").click().run()
    page.button(key="purge").click().run()
    assert set(strings_in_memory(token)) == {token}


def test_deletion_drops_a_prepared_export(page: AppTest) -> None:
    send(page, "Hello")
    page.button(key="export").click().run()
    assert page.session_state["export_made"]
    page.button(key="delete_conversation").click().run()
    assert "export_made" not in page.session_state


def test_purge_drops_a_prepared_export_of_all(page: AppTest) -> None:
    send(page, "Hello")
    page.switch_page("pages/screens/history.py").run()
    page.button(key="export_all").click().run()
    service = process.chat_service().as_owner(OWNER)
    exported = service.transfer.export_job()
    assert exported is not None and exported.wait(10) and exported.path is not None
    file = exported.path
    page.run()
    assert page.get("link_button")
    page.switch_page("pages/screens/conversation.py").run()
    page.button(key="delete_conversation").click().run()
    page.switch_page("pages/screens/history.py").run()
    page.button(key=keys(page, "purge")[0]).click().run()
    assert "Deleted for good" in all_text(page)
    assert not file.exists() and not page.get("link_button")


def test_deletion_of_a_message_can_be_undone(page: AppTest, server: LLMServer) -> None:
    server.next(Script(text="A secret."))
    send(page, "Tell me")
    page.button(key=keys(page, "delete")[-1]).click().run()
    assert texts(page) == ["Tell me"]
    page.button(key="undo").click().run()
    assert texts(page) == ["Tell me", "A secret."]


def test_deletion_of_a_conversation_can_be_undone(page: AppTest) -> None:
    send(page, "Precious")
    precious = conversation(page)
    page.button(key="delete_conversation").click().run()
    assert list(page.chat_message) == [] and keys(page, "open") == []
    page.button(key="undo").click().run()
    assert texts(page)[0] == "Precious"
    assert conversation(page) == precious


def test_failed_undo_shows_its_error_and_can_be_tried_again(
    page: AppTest, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.next(Script(text="A secret."))
    send(page, "Tell me")
    page.button(key=keys(page, "delete")[-1]).click().run()

    def fail(*_: object) -> None:
        raise StoreFailed

    with monkeypatch.context() as patched:
        patched.setattr(MessageService, "undelete", fail)
        page.button(key="undo").click().run()
        assert StoreFailed.sentence in all_text(page)
        assert texts(page) == ["Tell me"]
    page.button(key="undo").click().run()
    assert texts(page) == ["Tell me", "A secret."]

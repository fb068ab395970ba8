"""Tests for sending messages: what is sent, and what returns to the composer."""

from __future__ import annotations

import threading

import pytest
from streamlit.testing.v1 import AppTest

from chat import File
from chat.errors import TranscriptionUnavailable
from pages.session import process
from tests.support.app_page import (
    OpenPage,
    all_text,
    conversation,
    runs_follow_immediately,
    send,
    texts,
)
from tests.support.llm_server import LLMServer


def test_message_over_the_token_limit_returns_to_the_composer(
    page: AppTest, server: LLMServer
) -> None:
    text = "word " * 600
    send(page, text)
    assert not page.exception
    assert page.chat_input(key="composer").proto.value == text
    assert "300" in all_text(page)
    assert server.requests == [] and "c" not in page.query_params


def test_dictation_is_disabled_with_a_reason(open_page: OpenPage) -> None:
    page = open_page()
    assert page.button(key="mic").disabled
    assert TranscriptionUnavailable.sentence in all_text(page)


def test_unreadable_file_returns_to_the_composer_with_the_text(
    page: AppTest, server: LLMServer
) -> None:
    page.chat_input(key="composer").upload("notes.txt", b"swordfish").set_value("What?").run()
    assert texts(page)[0] == "What?"
    assert "swordfish" in server.requests[-1].body["messages"][-1]["content"]
    page.chat_input(key="composer").upload("empty.txt", b"").set_value("And this?").run()
    assert "“empty.txt” is empty" in all_text(page)
    assert page.chat_input(key="composer").proto.value == "And this?"
    assert len(server.requests) == 1
    page.button(key="remove_file_0").click().run()
    send(page, "Then so.")
    assert len(server.requests) == 2


def test_closed_tab_stops_waiting_for_its_files_to_be_read(page: AppTest) -> None:
    slots = process.chat_service().runtime.reader.slots
    page.session_state["kept_files"] = [File("notes.txt", b"swordfish")]
    with slots.hold("ann", 1), slots.hold("ann", 2), slots.hold("bob", 3):
        with pytest.raises(RuntimeError, match="timed out"):  # AppTest then stops the run
            page.run(timeout=1)
        for _ in range(100):
            if not slots.waiting():
                break
            threading.Event().wait(0.05)
        assert slots.waiting() == 0
    assert "notes.txt" in all_text(page.run())


def test_message_with_a_failed_upload_is_not_sent(page: AppTest, server: LLMServer) -> None:
    page.session_state["box_failed"] = ["large.txt"]  # as of the previous run
    send(page, "Sum it up")
    assert "“large.txt” was not uploaded" in all_text(page)
    assert page.chat_input(key="composer").proto.value == "Sum it up"
    assert server.requests == []
    send(page, "Then without it.")
    assert len(server.requests) == 1


@pytest.mark.parametrize("button", ["new_chat", "new_temporary"])
def test_message_sent_with_an_outdated_url_starts_a_new_conversation(
    page: AppTest, server: LLMServer, button: str
) -> None:
    send(page, "Hello")
    old = conversation(page)
    page.button(key=button).click().run()
    page.query_params.pop("temporary", None)
    page.query_params["c"] = old  # the browser still sends the old URL
    send(page, "Something else")
    assert conversation(page) != old
    assert ("temporary" in page.query_params) == (button == "new_temporary")
    sent = [each["content"] for each in server.requests[-1].body["messages"]]
    assert sent == ["Something else"]
    page.run()
    page.query_params.clear()
    page.query_params["c"] = old  # now intended, since the browser had the new URL
    page.run()
    assert texts(page)[0] == "Hello"


def test_two_messages_sent_in_quick_succession_share_a_conversation(
    page: AppTest, server: LLMServer
) -> None:
    send(page, "First")
    page.query_params.clear()
    send(page, "Second")
    assert texts(page)[::2] == ["First", "Second"]


def test_returned_text_is_resent_until_the_browser_has_it(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        runs_follow_immediately(patched)
        send(page, "word " * 600)
        for _ in range(2):
            box = page.chat_input[0].proto
            assert (box.set_value, box.value.strip()) == (True, ("word " * 600).strip())
            page.run()
    page.run()
    page.run()
    assert not page.chat_input[0].proto.set_value


def test_settings_are_resent_until_the_browser_has_them(
    page: AppTest, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_follow_immediately(monkeypatch)
    send(page, "First")
    page.slider(key="temperature").set_value(0.3).run()
    page.button(key="new_chat").click().run()
    for _ in range(2):
        slider = page.slider(key="temperature").proto
        assert (slider.set_value, list(slider.value)) == (True, [1.0])
        page.run()


def test_guessed_encoding_of_a_pending_file_can_be_changed(
    page: AppTest, server: LLMServer
) -> None:
    data = "Název,Množství\n1,2\n".encode("iso8859-2")
    page.session_state["kept_files"] = [File("names.csv", data), File("plain.txt", b"plain")]
    page.run()
    assert "read as Windows-1250" in all_text(page) and "Název,Mnoľství" in all_text(page)
    choice = page.selectbox(key=f"encoding_0_{len(data)}")
    assert choice.value == "cp1250"
    choice.set_value("iso8859-2").run()
    assert "read as ISO 8859-2" in all_text(page) and "Množství" in all_text(page)
    page.button(key="remove_file_1").click().run()
    page.button(key="remove_file_0").click().run()
    page.chat_input(key="composer").upload("names.csv", data).set_value("Who?").run()
    content = server.requests[-1].body["messages"][-1]["content"]
    assert "Množství" in content and "read as ISO 8859-2" in content

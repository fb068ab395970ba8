"""Tests for the chat screen, rendered by AppTest: messages, versions, settings and errors."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from chat.errors import (
    NoCredit,
    NotFound,
    TemporaryConversationExpired,
)
from tests.support.app_page import (
    APP,
    OpenPage,
    all_text,
    conversation,
    keys,
    send,
    texts,
    unescaped,
)
from tests.support.llm_server import FAULTS, LLMServer, Script


def test_empty_conversation_shows_the_model_and_suggestions(open_page: OpenPage) -> None:
    page = open_page()
    assert not page.exception
    assert "Guide" in all_text(page)
    assert len(keys(page, "starter")) >= 3
    assert page.button(key="retry").disabled
    assert list(page.chat_message) == []
    assert "c" not in page.query_params


def test_guide_answers_without_configuration(open_page: OpenPage) -> None:
    page = open_page()
    page.button(key="starter_0").click().run()
    assert not page.exception
    assert [each.name for each in page.chat_message] == ["user", "assistant"]
    assert len(texts(page)[1]) > 20
    assert page.query_params["c"]


def test_refresh_renders_the_same_messages(
    page: AppTest, server: LLMServer, open_page: OpenPage
) -> None:
    server.next(Script(text="Four."), Script(text="Eight."))
    send(page, "Two and two?")
    assert texts(page) == ["Two and two?", "Four."]
    send(page, "Twice that?")
    refreshed = open_page(conversation(page))
    assert texts(refreshed) == texts(page) == ["Two and two?", "Four.", "Twice that?", "Eight."]
    assert unescaped(refreshed.button(key=f"open_{conversation(page)}").label) == "Two and two?"


def test_edit_adds_a_version_and_arrows_switch_versions(page: AppTest, server: LLMServer) -> None:
    server.next(Script(text="Red."), Script(text="Because."), Script(text="Blue."))
    send(page, "Colour?")
    send(page, "Why?")
    edit = keys(page, "edit")[0]
    page.button(key=edit).click().run()
    page.text_area(key=edit.replace("edit_", "edit_text_")).set_value("Other colour?")
    page.button(key=edit.replace("edit_", "edit_send_")).click().run()
    assert texts(page) == ["Other colour?", "Blue."]
    page.button(key=keys(page, "version_prev")[0]).click().run()
    assert texts(page) == ["Colour?", "Red.", "Why?", "Because."]
    page.button(key=keys(page, "version_next")[0]).click().run()
    assert texts(page) == ["Other colour?", "Blue."]


def test_cancelled_edit_changes_nothing(page: AppTest, server: LLMServer) -> None:
    server.next(Script(text="Red."))
    send(page, "Colour?")
    edit = keys(page, "edit")[0]
    page.button(key=edit).click().run()
    page.text_area(key=edit.replace("edit_", "edit_text_")).set_value("Other colour?")
    page.button(key=edit.replace("edit_", "edit_cancel_")).click().run()
    assert texts(page) == ["Colour?", "Red."]
    assert len(server.requests) == 1


def test_failed_retry_keeps_the_previous_version_in_view(page: AppTest, server: LLMServer) -> None:
    server.next(Script(text="First."), Script(text="Second."), FAULTS["quota"])
    send(page, "Say something")
    page.button(key="retry").click().run()
    assert texts(page)[1] == "Second."
    page.button(key=keys(page, "retry")[0]).click().run()
    assert texts(page)[1] == "Second."
    assert NoCredit("OpenAI").sentence in all_text(page)


def test_failure_shows_its_sentence_and_allows_another_message(
    page: AppTest, server: LLMServer
) -> None:
    server.next(FAULTS["402"], Script(text="Three."))
    send(page, "One")
    assert NoCredit("OpenAI").sentence in all_text(page)
    send(page, "Two")
    assert texts(page)[-1] == "Three."


def test_settings_are_stored_with_the_conversation_and_sent(
    page: AppTest, server: LLMServer, open_page: OpenPage
) -> None:
    send(page, "Hello")
    page.slider(key="temperature").set_value(0.3).run()
    page.text_area(key="system_prompt").set_value("Be brief.").run()
    page.number_input(key="reply_length").set_value(99).run()
    elsewhere = open_page()
    assert elsewhere.text_area(key="system_prompt").value == ""
    again = open_page(conversation(page))
    assert again.slider(key="temperature").value == pytest.approx(0.3)
    send(again, "Again")
    body = server.requests[-1].body
    assert body["temperature"] == pytest.approx(0.3)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert 99 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def test_unknown_conversation_shows_a_notice_and_the_welcome_screen(open_page: OpenPage) -> None:
    page = open_page("no-such-conversation")
    assert not page.exception
    assert NotFound().sentence in all_text(page)
    assert "c" not in page.query_params
    assert keys(page, "starter")


def test_temporary_conversation_of_another_process_is_reported_as_expired(page: AppTest) -> None:
    page.query_params["temporary"] = "1"
    page.query_params["c"] = "0" * 30
    page.run()
    assert not page.exception
    assert TemporaryConversationExpired.sentence in all_text(page)
    assert "c" not in page.query_params


def test_conversation_is_hidden_from_other_visitors(page: AppTest, open_page: OpenPage) -> None:
    send(page, "For my eyes only")
    stranger = open_page(conversation(page), visitor="eve")
    assert list(stranger.chat_message) == []
    assert NotFound().sentence in all_text(stranger)
    assert keys(stranger, "open") == []


def test_clearing_the_context_can_be_undone(page: AppTest, server: LLMServer) -> None:
    send(page, "I am Ada")
    page.button(key="clear").click().run()
    assert texts(page)[0] == "I am Ada"
    send(page, "Who am I?")
    assert [each["content"] for each in server.requests[-1].body["messages"]] == ["Who am I?"]
    page.button(key=keys(page, "unclear")[0]).click().run()
    send(page, "And now?")
    assert server.requests[-1].body["messages"][0]["content"] == "I am Ada"


@pytest.mark.usefixtures("app_environment")
def test_invalid_configuration_lists_every_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_REPLY_TOKENS", "many")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    page = AppTest.from_file(APP, default_timeout=20).run()
    assert not page.exception
    assert "MAX_REPLY_TOKENS" in all_text(page) and "LOG_LEVEL" in all_text(page)
    assert list(page.chat_input) == []


def test_countdown_does_not_rerun_the_page_before_its_end() -> None:
    def script() -> None:
        from datetime import UTC, datetime, timedelta

        import streamlit as st

        from pages.conversation import message_status

        st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        message_status._count_down(datetime.now(UTC) + timedelta(seconds=0.4))

    page = AppTest.from_function(script).run()
    assert page.session_state["runs"] == 1
    assert "Retry in 1 s" in page.caption[0].value

"""Conversations: owner, settings, cleared context and undo of deletion."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.app_server import AppServer
from tests.support.chat_page import Chat
from tests.support.llm_server import LLMServer, Script

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def sent_texts(server: LLMServer) -> list[str]:
    return [each["content"] for each in server.requests[-1].body["messages"]]


def test_clear_context_excludes_earlier_messages_and_can_be_undone(
    chat: Chat, server: LLMServer
) -> None:
    chat.ask("My name is Ada")
    chat.press("clear")
    expect(chat.page.get_by_text("Context cleared")).to_be_visible()
    expect(chat.messages).to_have_count(2)
    chat.ask("Who am I?")
    assert sent_texts(server) == ["Who am I?"]
    expect(chat.messages).to_have_count(4)
    expect(chat.questions.first).to_contain_text("My name is Ada")
    chat.reload()
    expect(chat.page.get_by_text("Context cleared")).to_be_visible()
    chat.page.locator('[class*="st-key-unclear_"] button').click()
    expect(chat.page.get_by_text("Context cleared")).to_have_count(0)
    chat.ask("And now?")
    assert sent_texts(server)[0] == "My name is Ada"


def test_undo_restores_a_deleted_message(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="A secret."), Script(text="Nothing."))
    answer = chat.ask("Tell me")
    chat.press(f"delete_{answer}")
    expect(chat.answers).to_have_count(0)
    expect(chat.questions).to_have_count(1)
    chat.press("undo")
    expect(chat.answers).to_contain_text("A secret.")
    chat.press(f"delete_{answer}")
    expect(chat.answers).to_have_count(0)
    chat.ask("What did you say?")
    assert "A secret." not in sent_texts(server)
    chat.reload()
    expect(chat.answers).to_have_count(1)


def test_undo_restores_a_deleted_conversation(
    chat: Chat, visit: Callable[..., Chat], server: LLMServer
) -> None:
    chat.ask("Precious words")
    conversation = chat.conversation_id
    chat.press("delete_conversation")
    expect(chat.key("welcome")).to_be_visible()
    expect(chat.key(f"open_{conversation}")).to_have_count(0)
    assert chat.conversation_id is None
    other = visit(conversation, beside=chat)
    expect(other.messages).to_have_count(0)
    expect(other.page.get_by_text("Precious words")).to_have_count(0)
    chat.page.bring_to_front()
    chat.press("undo")
    expect(chat.questions).to_contain_text("Precious words")
    expect(chat.key(f"open_{conversation}")).to_be_visible()
    assert chat.conversation_id == conversation


def test_settings_are_stored_with_the_conversation_and_sent(chat: Chat, server: LLMServer) -> None:
    chat.ask("First")
    first = chat.conversation_id
    chat.choose_model("a-typed-model")
    slider = chat.key("temperature").get_by_role("slider")
    for _ in range(3):
        chat.step(slider, "ArrowLeft")
    chat.show_all_settings()
    prompt = chat.key("system_prompt").locator("textarea")
    chat.fill(prompt, "Answer like a pirate.")
    length = chat.key("reply_length").locator("input")
    chat.fill(length, "123")
    chat.ask("Second")
    body = server.requests[-1].body
    assert body["model"] == "a-typed-model"
    assert body["temperature"] == pytest.approx(0.7)
    assert 123 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["messages"][0] == {"role": "system", "content": "Answer like a pirate."}

    chat.press("new_chat")
    expect(chat.key("welcome")).to_be_visible()
    chat.ask("Elsewhere")
    body = server.requests[-1].body
    assert body["model"] == "echo"
    assert body["messages"] == [{"role": "user", "content": "Elsewhere"}]
    assert body.get("temperature") != pytest.approx(0.7)

    chat.press(f"open_{first}")
    expect(chat.questions.first).to_contain_text("First")
    chat.reload()
    chat.ask("Third")
    body = server.requests[-1].body
    assert (body["model"], body["temperature"]) == ("a-typed-model", pytest.approx(0.7))
    assert body["messages"][0]["content"] == "Answer like a pirate."


def test_settings_apply_when_set_before_the_first_message(chat: Chat, server: LLMServer) -> None:
    chat.choose_model("tokens:7")
    chat.ask("Hello")
    assert server.requests[-1].body["model"] == "tokens:7"
    assert len(chat.shown_words()) == 7
    chat.reload()
    expect(chat.key("model").locator("input")).to_have_value("tokens:7 · OpenAI")


def test_model_selector_accepts_an_id_that_extends_the_previous_one(
    chat: Chat, server: LLMServer
) -> None:
    box = chat.key("model").locator("input")
    expect(box).to_have_value("echo · OpenAI")
    for model in ("echo", "echo-two", "echo-two-more"):  # the first is selected already
        box.fill(f"openai/{model}")
        box.press("Enter")
        expect(box).to_have_value(f"{model} · OpenAI")
        chat.ask("Hello")
        assert server.requests[-1].body["model"] == model


def test_conversation_is_hidden_from_other_visitors(
    chat: Chat, visit: Callable[..., Chat], server: LLMServer
) -> None:
    chat.ask("For my eyes only")
    other = visit(chat.conversation_id)
    expect(other.key("welcome")).to_be_visible()
    expect(other.messages).to_have_count(0)
    expect(other.page.get_by_text("my eyes only")).to_have_count(0)
    expect(other.key("notice")).to_be_visible()
    other.ask("Mine")
    assert other.conversation_id != chat.conversation_id
    assert sent_texts(server) == ["Mine"]
    chat.page.bring_to_front()
    chat.reload()
    expect(chat.questions).to_have_count(1)


def test_message_sent_just_before_a_disconnect_is_stored(
    chat: Chat, app: AppServer, visit: Callable[..., Chat], server: LLMServer
) -> None:
    for number in range(5):
        leaving = visit(beside=chat)
        os.kill(app.pid, signal.SIGSTOP)  # message and disconnect arrive together
        try:
            with leaving.sends():
                leaving.send(f"Last words {number}")
            leaving.page.close()
        finally:
            os.kill(app.pid, signal.SIGCONT)
        chat.page.bring_to_front()
        expect(chat.key("conversations")).to_contain_text(f"Last words {number}")

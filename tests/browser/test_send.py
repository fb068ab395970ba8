"""Sending and streaming: messages, replies, the URL and the sidebar."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat, numbered
from tests.support.llm_server import LLMServer, Script, text_of

pytestmark = pytest.mark.browser
Gate = Callable[[], threading.Event]


def test_reply_is_streamed_and_stays_after_a_reload(
    watched_chat: Chat, server: LLMServer, gate: Gate
) -> None:
    chat, held = watched_chat, gate()
    server.next(Script(tokens=40, gate=held, gate_at=10))
    chat.send("Tell me something")
    chat.wait_word(9)
    assert chat.shown_words() == numbered(10)
    expect(chat.key("stop")).to_be_visible()
    expect(chat.key("welcome")).to_have_count(0)
    held.set()
    chat.wait_word(39)
    chat.wait_done()
    assert chat.shown_words() == numbered(40)
    expect(chat.questions).to_have_count(1)
    expect(chat.questions).to_contain_text("Tell me something")


def test_progress_is_shown_before_the_first_token(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(tokens=3, gate=held))
    chat.send("Hello")
    expect(chat.answers).to_contain_text("Thinking")
    expect(chat.questions).to_contain_text("Hello")
    held.set()
    chat.wait_word(2)
    chat.wait_done()
    expect(chat.answers).not_to_contain_text("Thinking")


def test_next_message_is_sent_with_the_history(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="Four."), Script(text="Eight."))
    chat.ask("Two and two?")
    chat.ask("Twice that?")
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.last).to_contain_text("Eight.")
    sent = [(each["role"], each["content"]) for each in server.requests[-1].body["messages"]]
    assert sent == [("user", "Two and two?"), ("assistant", "Four."), ("user", "Twice that?")]


def test_url_and_sidebar_show_the_current_conversation(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    assert "c=" not in chat.page.url
    chat.ask("The first of two")
    first = chat.conversation_id
    assert first
    expect(chat.key(f"open_{first}")).to_contain_text("The first of two")
    marked = chat.key(f"open_{first}").evaluate("(each) => each.innerHTML")

    chat.press("new_chat")
    expect(chat.key("welcome")).to_be_visible()
    expect(chat.messages).to_have_count(0)
    assert "c=" not in chat.page.url
    assert chat.key(f"open_{first}").evaluate("(each) => each.innerHTML") != marked

    held = gate()
    server.next(Script(gate=held, gate_at=1))
    chat.send("The second of two")
    chat.wait_running()
    second = chat.conversation_id
    assert second not in (None, first)
    running = chat.key(f"open_{second}").inner_text()
    held.set()
    chat.wait_done()
    assert chat.key(f"open_{second}").inner_text() != running

    chat.press(f"open_{first}")
    expect(chat.questions).to_contain_text("The first of two")
    expect(chat.messages).to_have_count(2)
    assert chat.conversation_id == first
    chat.page.go_back()
    expect(chat.questions).to_contain_text("The second of two")


def test_starter_is_sent_with_one_click(chat: Chat, server: LLMServer) -> None:
    starter = chat.button("starter_0")
    text = starter.locator("p").inner_text()
    starter.click()
    expect(chat.questions).to_contain_text(text)
    chat.wait_done()
    assert server.requests[-1].body["messages"][-1]["content"] == text
    expect(chat.key("welcome")).to_have_count(0)


def test_enter_sends_and_shift_enter_inserts_a_line_break(chat: Chat, server: LLMServer) -> None:
    chat.composer.fill("one")
    chat.composer.press("Shift+Enter")
    chat.composer.press_sequentially("two")
    expect(chat.composer).to_have_value("one\ntwo")
    assert server.requests == []
    chat.composer.press("Enter")
    server.wait_for_requests(1)
    expect(chat.answers).to_have_count(1)
    chat.wait_done()
    assert server.requests[-1].body["messages"][-1]["content"] == "one\ntwo"
    expect(chat.composer).to_have_value("")


def test_copy_returns_the_markdown_of_the_reply(chat: Chat, server: LLMServer) -> None:
    markdown = (
        "# Title\n\n- a *b*\n- `c`\n\n| x | y |\n|---|---|\n| 1 | $2 |\n\n```py\nprint('<b>')\n```"
    )
    server.next(Script(text=markdown))
    chat.ask("Show Markdown")
    assert chat.copied() == markdown
    assert chat.copied(chat.question_id) == "Show Markdown"


def test_long_reply_is_complete(watched_chat: Chat, server: LLMServer) -> None:
    chat = watched_chat
    server.next(Script(tokens=3000))
    chat.ask("Much, please")
    assert chat.copied().strip() == text_of(3000).strip()
    assert chat.shown_words() == numbered(3000)

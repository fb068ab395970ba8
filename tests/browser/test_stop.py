"""Stop: ends the reply at the provider and keeps the text received so far."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat, numbered
from tests.support.llm_server import LLMServer, Script, text_of

pytestmark = pytest.mark.browser
Gate = Callable[[], threading.Event]


def stop_and_expect_disconnect(chat: Chat, server: LLMServer) -> None:
    seen = server.requests[-1]
    expect(chat.button("stop")).to_be_enabled()
    chat.stop()
    assert seen.disconnected.wait(5), "the request is still open"
    chat.wait_done()
    expect(chat.answers.last).to_contain_text("Stopped")


def test_stop_works_before_the_first_token(chat: Chat, server: LLMServer, gate: Gate) -> None:
    server.next(Script(gate=gate()))
    chat.send("Hello")
    server.wait_for_requests(1)
    stop_and_expect_disconnect(chat, server)
    assert chat.shown_words() == []
    chat.ask("And now?")
    expect(chat.answers).to_have_count(2)


def test_stop_keeps_the_received_text(watched_chat: Chat, server: LLMServer, gate: Gate) -> None:
    chat = watched_chat
    server.next(Script(tokens=50, gate=gate(), gate_at=12))
    chat.send("Hello")
    chat.wait_word(11)
    stop_and_expect_disconnect(chat, server)
    assert chat.shown_words() == numbered(12)
    assert chat.copied() == text_of(12)
    chat.reload()
    assert chat.shown_words() == numbered(12)
    expect(chat.answers).to_contain_text("Stopped")


def test_stop_works_after_edit_retry_and_refresh_and_in_another_tab(
    chat: Chat, visit: Callable[..., Chat], server: LLMServer, gate: Gate
) -> None:
    chat.ask("Hello")

    server.next(Script(gate=gate(), gate_at=3))
    chat.edit("Hello again")
    chat.wait_word(2)
    stop_and_expect_disconnect(chat, server)

    server.next(Script(gate=gate(), gate_at=4))
    chat.press(f"retry_{chat.answer_id}")
    chat.wait_word(3)
    stop_and_expect_disconnect(chat, server)

    server.next(Script(gate=gate(), gate_at=5))
    chat.press("retry")
    chat.wait_word(4)
    chat.reload()
    chat.wait_word(4)
    stop_and_expect_disconnect(chat, server)

    server.next(Script(gate=gate(), gate_at=6))
    chat.press("retry")
    chat.wait_word(5)
    other = visit(chat.conversation_id, beside=chat)
    other.wait_word(5)
    stop_and_expect_disconnect(other, server)
    chat.wait_done()
    expect(chat.answers.last).to_contain_text("Stopped")


def press_streamlit_stop(chat: Chat) -> None:
    """Press Streamlit's own Stop button, which Parley hides."""
    button = chat.page.get_by_test_id("stStatusWidget").locator("button")
    expect(button).to_be_attached()
    expect(button).not_to_be_visible()
    button.evaluate("button => button.click()")


@pytest.mark.parametrize("gate_at", [0, 20], ids=["before the first token", "in the middle"])
def test_streamlit_stop_does_not_freeze_the_page(
    watched_chat: Chat, server: LLMServer, gate: Gate, gate_at: int
) -> None:
    chat, held = watched_chat, gate()
    server.next(Script(tokens=60, gate=held, gate_at=gate_at))
    chat.send("Hello")
    if gate_at:
        chat.wait_word(gate_at - 1)
    server.wait_for_requests(1)
    press_streamlit_stop(chat)
    held.set()
    chat.wait_word(59)
    chat.wait_done()
    assert chat.shown_words() == numbered(60)
    expect(chat.answers).not_to_contain_text("Stopped")
    assert not server.requests[-1].disconnected.is_set()


def test_streamlit_stop_keeps_the_displayed_messages(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(text="Blue."), Script(tokens=9, gate=held, gate_at=5))
    chat.ask("Which colour?")
    chat.send("And now?")
    chat.wait_word(4)
    press_streamlit_stop(chat)
    expect(chat.questions.first).to_contain_text("Which colour?")
    held.set()
    chat.wait_done()
    expect(chat.questions).to_have_text([re.compile("Which colour"), re.compile("And now")])
    expect(chat.answers.first).to_contain_text("Blue.")

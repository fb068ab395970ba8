"""Refresh, other tabs and navigation: none affects a running reply."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat, numbered
from tests.support.llm_server import LLMServer, Script, text_of

pytestmark = pytest.mark.browser
Gate = Callable[[], threading.Event]


@pytest.mark.slow
def test_ten_refreshes_neither_lose_nor_duplicate_text(
    watched_chat: Chat, server: LLMServer, gate: Gate
) -> None:
    chat, held = watched_chat, gate()
    server.next(Script(tokens=500, pace=25, gate=held, gate_at=400))
    chat.send("Tell me a long story")
    for place in range(0, 300, 30):  # a page load takes about 30 tokens
        chat.wait_word(place)
        assert chat.key("stop").count() == 1, "the reply ended before a refresh"
        shown = len(chat.shown_words())
        chat.reload()
        chat.wait_word(max(0, shown - 1))
    held.set()
    chat.wait_word(499, timeout=30_000)
    chat.wait_done()
    assert chat.shown_words() == numbered(500)
    assert chat.copied().strip() == text_of(500).strip()
    chat.reload()
    assert chat.shown_words() == numbered(500)
    assert len(server.requests) == 1


@pytest.mark.parametrize("gate_at", [0, 7], ids=["before the first token", "in the middle"])
def test_refresh_while_the_provider_is_silent_keeps_the_reply(
    watched_chat: Chat, server: LLMServer, gate: Gate, gate_at: int
) -> None:
    chat, held = watched_chat, gate()
    server.next(Script(tokens=20, gate=held, gate_at=gate_at))
    chat.send("Hello")
    chat.wait_running()
    server.wait_for_requests(1)
    chat.reload()
    chat.wait_running()
    if gate_at:
        chat.wait_word(gate_at - 1)
    else:
        expect(chat.answers).to_contain_text("Thinking")
    assert chat.shown_words() == numbered(gate_at)
    held.set()
    chat.wait_word(19)
    chat.wait_done()
    assert chat.shown_words() == numbered(20)


def test_reply_continues_without_an_open_page(
    chat: Chat, visit: Callable[..., Chat], server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(tokens=30, gate=held, gate_at=5))
    chat.send("Hello")
    chat.wait_word(4)
    conversation, context = chat.conversation_id, chat.page.context
    chat.page.close()
    held.set()
    assert server.requests[-1].finished.wait(10)
    later = visit(conversation, context=context)
    later.wait_done()
    assert later.shown_words() == numbered(30)


def test_two_tabs_show_the_same_reply(
    watched_chat: Chat, visit: Callable[..., Chat], server: LLMServer, gate: Gate
) -> None:
    chat, held = watched_chat, gate()
    server.next(Script(tokens=40, gate=held, gate_at=10))
    chat.send("Hello")
    chat.wait_word(9)
    other = visit(chat.conversation_id, beside=chat, is_watched=True)
    other.wait_word(9)
    assert other.shown_words() == chat.shown_words() == numbered(10)
    held.set()
    for each in (chat, other):
        each.page.bring_to_front()
        each.wait_word(39)
        each.wait_done()
        assert each.shown_words() == numbered(40)
    assert len(server.requests) == 1


def test_navigation_does_not_affect_a_running_reply(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    chat.ask("An earlier one")
    earlier, held = chat.conversation_id, gate()
    chat.press("new_chat")
    expect(chat.key("welcome")).to_be_visible()
    server.next(Script(tokens=40, gate=held, gate_at=10))
    chat.send("A long one")
    chat.wait_word(9)
    running = chat.conversation_id

    chat.press(f"open_{earlier}")
    expect(chat.questions).to_contain_text("An earlier one")
    expect(chat.key("stop")).to_have_count(0)
    expect(chat.key(f"open_{running}")).to_contain_text("A long one")
    chat.press(f"open_{running}")
    chat.wait_word(9)
    chat.wait_running()

    chat.key("temperature").get_by_role("slider").press("ArrowRight")
    chat.wait_word(9)
    chat.show_all_settings()
    chat.key("system_prompt").locator("textarea").fill("Be brief")
    chat.key("system_prompt").locator("textarea").blur()
    chat.wait_word(9)
    chat.press("search")
    expect(chat.key("search_text")).to_be_visible()
    chat.press("search")
    expect(chat.key("search_text")).to_be_hidden()
    held.set()
    chat.wait_word(39)
    chat.wait_done()
    assert chat.shown_words() == numbered(40)
    assert server.requests[-1].finished.is_set()


def test_idle_tab_shows_and_stops_a_reply_of_another_tab(
    chat: Chat, visit: Callable[..., Chat], server: LLMServer, gate: Gate
) -> None:
    chat.ask("The first question")
    other = visit(chat.conversation_id, beside=chat)
    other.wait_done()
    server.next(Script(tokens=20, gate=gate(), gate_at=7))
    chat.send("The second question")
    expect(other.questions.last).to_contain_text("The second question")
    other.wait_word(6)
    other.stop()
    chat.page.bring_to_front()
    chat.wait_done()
    expect(chat.answers.last).to_contain_text("Stopped")


def test_running_indicator_disappears_when_the_reply_ends(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(tokens=20, gate=held, gate_at=7))
    chat.send("Count")
    chat.wait_word(6)
    chat.press("new_chat")
    row = chat.key("conversations").get_by_role("button")
    expect(row).to_contain_text("pending")
    held.set()
    expect(row).to_contain_text("chat_bubble")


@pytest.mark.slow
def test_idle_tab_shows_changes_made_in_another_tab(
    chat: Chat, visit: Callable[..., Chat], server: LLMServer
) -> None:
    chat.ask("Hello")
    conversation = chat.conversation_id
    other = visit(conversation, beside=chat)
    other.wait_done()
    chat.press("clear")
    expect(other.page.get_by_text("Context cleared")).to_be_visible()
    chat.choose_model("another-model")
    expect(other.key("model").locator("input")).to_have_value("another-model · OpenAI")
    chat.press("manage")
    chat.press("pin")
    expect(other.key("conversations")).to_contain_text("Pinned")
    name = chat.key(f"rename_{conversation}").locator("input")
    name.fill("From here")
    name.press("Enter")
    expect(other.key(f"open_{conversation}")).to_contain_text("From here")
    other.press("manage")
    expect(other.key(f"rename_{conversation}").locator("input")).to_have_value("From here")
    other.page.keyboard.press("Escape")
    chat.page.keyboard.press("Escape")
    other.composer.fill("not sent yet")
    chat.press("delete_conversation")
    expect(other.key("notice")).to_contain_text("does not exist")
    expect(other.key(f"open_{conversation}")).to_have_count(0)
    expect(other.composer).to_have_value("not sent yet")


def test_draft_survives_a_refresh_and_a_visit_to_another_screen(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    server.next(Script(tokens=20, gate=gate(), gate_at=7))
    chat.composer.fill("half a thought")
    chat.page.get_by_role("link", name="History").click()
    expect(chat.composer).to_have_count(0)
    chat.page.get_by_role("link", name="Back to the chat").click()
    expect(chat.composer).to_have_value("half a thought")
    chat.reload()
    expect(chat.composer).to_have_value("half a thought")
    chat.composer.press("Enter")
    chat.wait_word(6)
    chat.reload()
    chat.wait_word(6)
    expect(chat.composer).to_have_value("")


def test_paragraphs_are_aligned_by_their_text_direction(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="שלום עולם, זה טקסט בעברית.\n\nAnd English."))
    chat.ask("مرحبا")
    sides = """(element) => {
      const range = document.createRange()
      range.selectNodeContents(element)
      const text = range.getBoundingClientRect(), block = element.getBoundingClientRect()
      return text.left - block.left < 2 ? "left" : block.right - text.right < 2 ? "right" : "none"
    }"""
    for text, side in (("שלום", "right"), ("And English.", "left")):
        assert chat.answers.locator("p").filter(has_text=text).evaluate(sides) == side
    assert chat.questions.locator("p").filter(has_text="مرحبا").evaluate(sides) == "right"

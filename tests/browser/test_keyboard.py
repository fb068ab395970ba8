"""Keyboard shortcuts and screen reader announcements."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat, numbered
from tests.support.llm_server import LLMServer, Script

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Gate = Callable[[], threading.Event]


def test_shortcut_starts_a_new_conversation(chat: Chat, server: LLMServer) -> None:
    chat.ask("Hello")
    chat.page.keyboard.press("Control+Shift+O")
    expect(chat.key("welcome")).to_be_visible()
    assert chat.conversation_id is None


def test_shortcut_stops_the_reply(chat: Chat, server: LLMServer, gate: Gate) -> None:
    server.next(Script(gate=gate(), gate_at=5))
    chat.send("Hello")
    chat.wait_word(4)
    chat.wait_running()
    chat.page.keyboard.press("Control+Shift+S")
    assert server.requests[-1].disconnected.wait(5)
    chat.wait_done()
    expect(chat.answers).to_contain_text("Stopped")
    assert chat.shown_words() == numbered(5)


def test_search_opens_the_conversation_of_a_match(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="The capybara is the largest rodent."), Script(text="Else."))
    chat.ask("Which animal?")
    wanted = chat.conversation_id
    chat.press("new_chat")
    expect(chat.key("welcome")).to_be_visible()
    chat.ask("Something else")
    chat.page.keyboard.press("Control+K")
    box = chat.key("search_text").locator("input")
    expect(box).to_be_focused()
    box.fill("xyzzy")
    expect(chat.page.get_by_text("Nothing found")).to_be_visible()
    box.fill("capybara")
    chat.page.locator('[class*="st-key-found_"] button').first.click()
    expect(chat.answers).to_contain_text("capybara")
    assert chat.conversation_id == wanted


def test_shortcuts_are_listed(chat: Chat) -> None:
    chat.press("shortcuts")
    expect(chat.page.get_by_role("table")).to_contain_text("Ctrl + Shift + O")


def test_live_region_announces_the_end_of_a_reply_only(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(tokens=10, gate=held, gate_at=5))
    chat.send("Hello")
    chat.wait_word(4)
    region = chat.key("announcer").get_by_role("status")
    expect(region).to_have_text("A reply is being written.")
    inside_live_region = "(each) => !!each.closest('[aria-live]:not([aria-live=off]),[role=log]')"
    assert not chat.answers.last.evaluate(inside_live_region)
    held.set()
    expect(region).to_have_text("The reply is complete.")


def test_current_conversation_is_marked_for_screen_readers(chat: Chat, server: LLMServer) -> None:
    chat.ask("One")
    first = chat.key(f"open_{chat.conversation_id}").get_by_role("button")
    expect(first).to_have_attribute("aria-current", "page")
    chat.press("new_chat")
    marked = chat.key("conversations").locator("[aria-current]")
    expect(marked).to_have_count(0)
    chat.ask("Two")
    second = chat.key(f"open_{chat.conversation_id}").get_by_role("button")
    expect(second).to_have_attribute("aria-current", "page")
    expect(marked).to_have_count(1)
    first.click()
    expect(first).to_have_attribute("aria-current", "page")
    expect(marked).to_have_count(1)

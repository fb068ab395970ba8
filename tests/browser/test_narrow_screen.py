"""Narrow screens: the sidebar covers the chat and closes after a selection."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat, wait_until
from tests.support.llm_server import LLMServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
COMPOSER_IS_UNCOVERED = """() => {
  const box = document.querySelector(".st-key-composer textarea").getBoundingClientRect()
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
  return !!top?.closest(".st-key-composer")
}"""


def test_sidebar_closes_after_a_selection(visit: Callable[..., Chat], server: LLMServer) -> None:
    chat = visit(**PHONE)
    chat.ask("capybara")
    expander = chat.page.get_by_test_id("stExpandSidebarButton")

    def open_sidebar() -> None:
        expander.tap()
        wait_until(chat.page, f"() => !({COMPOSER_IS_UNCOVERED})()")

    for key in ("new_chat", "new_chat", "new_temporary", f"open_{chat.conversation_id}"):
        open_sidebar()
        chat.button(key).tap()
        wait_until(chat.page, COMPOSER_IS_UNCOVERED)
        expect(expander).to_be_focused()  # opens no on-screen keyboard
    open_sidebar()
    chat.button("search").tap()
    chat.key("search_text").locator("input").fill("capybara")
    chat.page.locator('[class*="st-key-found_"] button').first.tap()
    wait_until(chat.page, COMPOSER_IS_UNCOVERED)
    open_sidebar()
    chat.page.get_by_role("link", name="History").tap()
    expect(chat.page.get_by_role("heading", name="History")).to_be_visible()
    chat.page.get_by_role("link", name="Back to the chat").tap()
    expect(chat.composer).to_be_visible()
    wait_until(chat.page, COMPOSER_IS_UNCOVERED)
    open_sidebar()
    chat.button("delete_conversation").tap()
    chat.button("undo").tap()
    expect(chat.questions).to_contain_text("capybara")


def test_sidebar_stays_open_on_a_wide_page(chat: Chat, server: LLMServer) -> None:
    chat.ask("First")
    first = chat.conversation_id
    chat.press("new_chat")
    chat.ask("Second")
    chat.press(f"open_{first}")
    expect(chat.questions).to_contain_text("First")
    chat.ask("Third")
    expect(chat.page.get_by_test_id("stExpandSidebarButton")).to_have_count(0)
    expect(chat.button("new_chat")).to_be_in_viewport(ratio=1)

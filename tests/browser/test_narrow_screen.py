"""On a narrow screen the sidebar lies over the chat, and goes once something was opened from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat, wait_until
from tests.support.llm_server import LLMServer

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
IS_REACHED = """() => {
  const box = document.querySelector(".st-key-composer textarea").getBoundingClientRect()
  const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
  return !!there?.closest(".st-key-composer")
}"""


def test_the_sidebar_makes_way_for_what_was_opened_from_it(
    visit: Callable[..., Chat], server: LLMServer
) -> None:
    chat = visit(**PHONE)
    chat.ask("capybara")
    expander = chat.page.get_by_test_id("stExpandSidebarButton")

    def unfold() -> None:
        expander.tap()
        wait_until(chat.page, f"() => !({IS_REACHED})()")

    for key in ("new_chat", "new_chat", "new_temporary", f"open_{chat.conversation_id}"):
        unfold()
        chat.button(key).tap()
        wait_until(chat.page, IS_REACHED)
        expect(expander).to_be_focused()  # and no keyboard comes up
    unfold()
    chat.button("search").tap()
    chat.key("search_text").locator("input").fill("capybara")
    chat.page.locator('[class*="st-key-found_"] button').first.tap()
    wait_until(chat.page, IS_REACHED)
    unfold()
    chat.page.get_by_role("link", name="History").tap()
    expect(chat.page.get_by_role("heading", name="History")).to_be_visible()
    chat.page.get_by_role("link", name="Back to the chat").tap()
    expect(chat.composer).to_be_visible()
    wait_until(chat.page, IS_REACHED)
    unfold()
    chat.button("delete_conversation").tap()
    chat.button("undo").tap()
    expect(chat.questions).to_contain_text("capybara")


def test_beside_a_wide_page_the_sidebar_stays(chat: Chat, server: LLMServer) -> None:
    chat.ask("First")
    first = chat.conversation_id
    chat.press("new_chat")
    chat.ask("Second")
    chat.press(f"open_{first}")
    expect(chat.questions).to_contain_text("First")
    chat.ask("Third")
    expect(chat.page.get_by_test_id("stExpandSidebarButton")).to_have_count(0)
    expect(chat.button("new_chat")).to_be_in_viewport(ratio=1)

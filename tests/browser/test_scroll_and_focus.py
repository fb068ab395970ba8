"""Scroll position, focus and drafts: kept where the user reads or types."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat, wait_until
from tests.support.llm_server import LLMServer, Script

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_back_link_returns_to_a_temporary_conversation(chat: Chat, server: LLMServer) -> None:
    chat.ask("Kept")
    kept = chat.conversation_id
    chat.press("new_temporary")
    expect(chat.key("welcome")).to_be_visible()
    chat.ask("Not kept")
    chat.press(f"open_{kept}")
    expect(chat.questions).to_contain_text("Kept")
    chat.page.go_back()
    expect(chat.questions).to_contain_text("Not kept")
    expect(chat.key("notice")).to_have_count(0)


def test_edit_box_is_scrolled_into_view(chat: Chat, server: LLMServer) -> None:
    for number in range(2):
        server.next(Script(tokens=120))
        chat.ask(f"Question {number}")
    first = chat.ids("edit")[0]
    chat.button(f"edit_{first}").scroll_into_view_if_needed()
    chat.press(f"edit_{first}")
    box = chat.key(f"edit_text_{first}").locator("textarea")
    expect(box).to_be_focused()
    expect(box).to_be_in_viewport(ratio=1)


def test_loading_earlier_messages_keeps_the_scroll_position(
    chat: Chat, server: LLMServer, visit: Callable[..., Chat]
) -> None:
    for number in range(18):
        server.next(Script(tokens=100))
        chat.send(f"Question {number}")
        expect(chat.questions.last).to_contain_text(f"Question {number}")
        chat.wait_word(99)
        chat.wait_done()
    chat.reload()
    first = chat.ids("actions")[0]
    chat.press("show_earlier")
    expect(chat.questions.first).to_contain_text("Question 0")
    assert chat.ids("actions")[0] != first
    expect(chat.messages.filter(has=chat.key(f"actions_{first}"))).to_be_in_viewport()


def test_search_opens_empty_while_a_reply_runs(
    chat: Chat, server: LLMServer, gate: Callable[..., object]
) -> None:
    server.next(Script(tokens=30, gate=gate(), gate_at=10))  # type: ignore[arg-type]
    chat.send("Count")
    chat.wait_word(9)
    box = chat.key("search_text").locator("input").filter(visible=True)
    chat.press("search")
    box.fill("zzzz")
    expect(chat.key("conversations").get_by_text("Nothing found.")).to_be_visible()
    chat.press("search")
    expect(box).to_have_count(0)
    chat.press("search")
    expect(box).to_have_value("")
    chat.wait_running()


def test_returned_message_does_not_overwrite_later_typing(
    chat: Chat, server: LLMServer, gate: Callable[..., threading.Event]
) -> None:
    held = gate()
    server.next(Script(tokens=10, gate=held, gate_at=4))
    chat.send("One")
    chat.wait_word(3)
    chat.send("Two")
    expect(chat.key("notice")).to_be_visible()
    expect(chat.composer).to_have_value("Two")
    chat.composer.fill("Two, better said")
    held.set()
    chat.wait_word(9)
    chat.wait_done()
    expect(chat.key(f"retry_{chat.answer_id}")).to_be_visible()
    expect(chat.composer).to_have_value("Two, better said")
    chat.press("search")
    expect(chat.key("search_text")).to_be_visible()
    expect(chat.composer).to_have_value("Two, better said")


def test_unsaved_system_prompt_survives_the_end_of_a_reply(
    chat: Chat, server: LLMServer, gate: Callable[..., threading.Event]
) -> None:
    held = gate()
    server.next(Script(tokens=10, gate=held, gate_at=4))
    chat.send("One")
    running = chat.page.locator('[class*="st-key-open_"]').first
    chat.wait_word(3)
    chat.press("new_chat")
    running.locator("button").click()
    chat.wait_word(3)
    chat.show_all_settings()
    prompt = chat.key("system_prompt").locator("textarea")
    prompt.press_sequentially("Answer like a pir")
    held.set()
    chat.wait_word(9)
    chat.wait_done()
    expect(prompt).to_have_value("Answer like a pir")
    prompt.press_sequentially("ate")
    expect(prompt).to_have_value("Answer like a pirate")


_DISTANCE_TO_END = """() => {
  const page = document.querySelector('[data-testid="stAppScrollToBottomContainer"]')
  return page.scrollHeight - page.clientHeight - page.scrollTop
}"""
_KEEPS_POSITION = """(message) => new Promise((resolve) => {
  let frames = 90
  const look = () => {
    const { top, bottom } = message.getBoundingClientRect()
    if (bottom < 0 || top > innerHeight || !--frames) resolve(!frames)
    else requestAnimationFrame(look)
  }
  look()
})"""


def test_scrolling_up_pauses_auto_scroll_during_a_reply(
    chat: Chat, server: LLMServer, gate: Callable[..., threading.Event]
) -> None:
    held = gate()
    server.next(Script(tokens=3000, pace=400, gate=held, gate_at=1500))
    chat.send("Tell me all")
    chat.wait_word(600)
    chat.page.mouse.move(700, 300)
    chat.page.mouse.wheel(0, -300)
    chat.wait_word(1499)
    assert chat.page.evaluate(_DISTANCE_TO_END) > 300
    chat.page.mouse.wheel(0, 100_000)  # to the end: it follows again
    wait_until(chat.page, f"() => ({_DISTANCE_TO_END})() < 2")
    held.set()
    chat.wait_word(2000)
    wait_until(chat.page, f"() => ({_DISTANCE_TO_END})() < 100")
    chat.wait_done()


@pytest.mark.parametrize(
    "is_in_view", [False, True], ids=["in another conversation", "in the open conversation"]
)
def test_search_hit_stays_in_view_in_a_long_conversation(
    chat: Chat, server: LLMServer, is_in_view: bool
) -> None:
    line = json.dumps(
        {
            "messages": [
                {"role": role, "content": f"{role} number {number} {'says a word ' * 60}"}
                for number in range(60)
                for role in ("user", "assistant")
            ]
        }
    )
    chat.page.get_by_role("link", name="History").click()
    file = {"name": "a.jsonl", "mimeType": "application/json", "buffer": line.encode()}
    chat.key("import_file").locator("input").set_input_files(file)  # type: ignore[arg-type]
    chat.press("import")
    expect(chat.key("import_report")).to_be_visible()
    chat.page.get_by_role("link", name="Back to the chat").click()
    if is_in_view:
        chat.page.locator('[class*="st-key-open_"] button').first.click()
        expect(chat.answers.last).to_be_in_viewport()
    chat.press("search")
    chat.key("search_text").locator("input").fill('"assistant number 3"')
    chat.page.locator('[class*="st-key-found_"] button').first.click()
    hit = chat.answers.filter(has_text=re.compile(r"assistant number 3\b"))
    expect(hit).to_be_in_viewport()
    chat.wait_settled()
    assert hit.evaluate(_KEEPS_POSITION)

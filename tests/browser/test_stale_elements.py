"""Stale elements: a running reply removes the previous content from the page completely."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from chat.errors import ReplyRunning
from tests.support.chat_page import Chat
from tests.support.llm_server import LLMServer, Script

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Gate = Callable[[], threading.Event]

PARAGRAPHS = "\n\n".join(f"para{number} " + "word " * 100 for number in range(5))
ALMOST_ALL = len(PARAGRAPHS.split(" ")) - 5


def test_shorter_reply_replaces_a_longer_one_of_another_conversation(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    server.next(
        Script(text="Just a short thing and more", gate=gate(), gate_at=4),
        Script(text=PARAGRAPHS, gate=gate(), gate_at=ALMOST_ALL),
    )
    chat.send("First")
    expect(chat.answers.last).to_contain_text("Just a short")
    first = chat.conversation_id
    chat.press("new_chat")
    chat.send("Second")
    expect(chat.answers.last).to_contain_text("para4")
    chat.press(f"open_{first}")
    expect(chat.answers.last).to_contain_text("Just a short")
    expect(chat.answers.last).not_to_contain_text("para")
    chat.wait_running()


def test_old_version_replaces_a_longer_running_answer(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    server.next(
        Script(text="Short old answer."), Script(text=PARAGRAPHS, gate=gate(), gate_at=ALMOST_ALL)
    )
    chat.ask("Hello")
    question = chat.question_id
    chat.edit("Hello again")
    expect(chat.answers.last).to_contain_text("para4")
    new = chat.ids("version_prev")[0]
    assert new != question
    chat.press(f"version_prev_{new}")
    expect(chat.answers.last).to_contain_text("Short old answer.")
    expect(chat.answers.last).not_to_contain_text("para")


def test_closing_the_search_removes_its_hits(chat: Chat, server: LLMServer, gate: Gate) -> None:
    for number in range(3):
        server.next(Script(text="apple and pear"))
        chat.ask(f"apple {number}")
        chat.press("new_chat")
    server.next(Script(tokens=30, gate=gate(), gate_at=10))
    chat.send("plum")
    chat.wait_word(9)
    chat.press("search")
    hits = chat.page.locator('[class*="st-key-found_"]').filter(visible=True)
    box = chat.key("search_text").locator("input")
    box.fill("apple")
    expect(hits).to_have_count(9)  # titles, questions and answers
    box.fill("plum")
    expect(hits).to_have_count(2)
    chat.press("search")
    expect(chat.page.locator('[class*="st-key-open_"]').filter(visible=True)).to_have_count(4)
    expect(hits).to_have_count(0)
    chat.wait_running()


def test_search_hits_and_conversation_list_replace_each_other(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    for number in range(6):
        chat.ask(f"Question {number}")
        chat.press("new_chat")
    server.next(Script(tokens=30, gate=gate(), gate_at=10))
    chat.send("Count")
    chat.wait_word(9)
    listed = chat.page.locator('[class*="st-key-open_"]').filter(visible=True)
    nothing = chat.key("conversations").get_by_text("Nothing found.")
    for _ in range(3):
        expect(listed).to_have_count(7)
        expect(nothing).to_have_count(0)
        chat.press("search")
        chat.key("search_text").locator("input").fill("zzzz")
        expect(nothing).to_be_visible()
        expect(listed).to_have_count(0)
        chat.press("search")
    chat.wait_running()


def test_edit_while_a_reply_runs_is_refused_at_once(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(text="Blue."), Script(tokens=30, gate=held, gate_at=10))
    chat.ask("Which colour?")
    first = chat.question_id
    chat.send("Count")
    chat.wait_word(9)
    chat.press(f"edit_{first}")
    expect(chat.key("notice")).to_contain_text(ReplyRunning.sentence)
    held.set()
    chat.wait_done()
    expect(chat.key(f"edit_text_{first}")).to_have_count(0)


def test_sidebar_retry_applies_to_the_newest_answer(
    chat: Chat, visit: Callable[..., Chat], server: LLMServer
) -> None:
    chat.ask("Which colour?")
    other = visit(chat.conversation_id, beside=chat)
    other.ask("And which shape?")
    chat.page.bring_to_front()
    chat.press("retry")  # this tab does not show the second question yet
    expect(chat.questions).to_have_count(2)
    chat.wait_done()
    sent = server.requests[-1].body["messages"]
    assert [each["content"] for each in sent if each["role"] == "user"][-1] == "And which shape?"

"""Versions: edit and retry keep earlier messages, arrows switch, Continue extends an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from chat.errors import EmptyReply, NoCredit
from tests.support.chat_page import Chat, numbered
from tests.support.llm_server import FAULTS, LLMServer, Script, text_of

pytestmark = pytest.mark.browser
Gate = Callable[[], threading.Event]


def test_edit_keeps_the_old_question_and_its_replies(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="Red."), Script(text="Because."), Script(text="Blue."))
    chat.ask("Which colour?")
    question = chat.question_id
    chat.ask("Why?")

    chat.edit("Which other colour?", question)
    expect(chat.answers.last).to_contain_text("Blue.")
    chat.wait_done()
    expect(chat.questions).to_have_count(1)
    expect(chat.questions).to_contain_text("Which other colour?")
    expect(chat.questions).to_contain_text("2/2")
    assert [each["content"] for each in server.requests[-1].body["messages"]] == [
        "Which other colour?"
    ]

    edited = chat.question_id
    assert edited != question
    chat.press(f"version_prev_{edited}")
    expect(chat.questions).to_have_count(2)
    expect(chat.questions.first).to_contain_text("Which colour?")
    expect(chat.questions.first).to_contain_text("1/2")
    expect(chat.answers.last).to_contain_text("Because.")
    expect(chat.button(f"version_prev_{question}")).to_be_disabled()
    chat.reload()
    expect(chat.answers.last).to_contain_text("Because.")
    chat.press(f"version_next_{question}")
    expect(chat.questions).to_have_count(1)
    expect(chat.answers.last).to_contain_text("Blue.")


def test_edit_can_be_cancelled(chat: Chat, server: LLMServer) -> None:
    chat.ask("Keep me")
    question = chat.question_id
    chat.press(f"edit_{question}")
    box = chat.key(f"edit_text_{question}").locator("textarea")
    expect(box).to_have_value("Keep me")
    box.fill("Drop me")
    chat.press(f"edit_cancel_{question}")
    expect(box).to_have_count(0)
    expect(chat.questions).to_contain_text("Keep me")
    expect(chat.page.get_by_text("Drop me")).to_have_count(0)
    assert len(server.requests) == 1


def test_retry_keeps_the_old_answer_as_a_version(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="First."), Script(text="Second."), Script(text="Third."))
    first = chat.ask("Say something")
    chat.press(f"retry_{first}")
    expect(chat.answers).to_contain_text("Second.")
    expect(chat.answers).to_contain_text("2/2")
    chat.wait_done()
    chat.press("retry")
    expect(chat.answers).to_contain_text("Third.")
    expect(chat.answers).to_contain_text("3/3")
    chat.wait_done()
    chat.press(f"version_prev_{chat.answer_id}")
    expect(chat.answers).to_contain_text("2/3")
    expect(chat.answers).to_contain_text("Second.")
    chat.wait_settled()  # the row of actions is drawn last
    chat.press(f"version_prev_{chat.answer_id}")
    expect(chat.answers).to_contain_text("First.")
    chat.wait_settled()
    assert chat.answer_id == first
    expect(chat.questions).to_have_count(1)


def test_failed_or_empty_retry_leaves_the_old_answer_in_view(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="Still here."))
    answer = chat.ask("Say something")
    for fault, error in (("quota", NoCredit), ("empty", EmptyReply)):
        server.next(FAULTS[fault])
        chat.press(f"retry_{answer}")
        expect(chat.page.get_by_text(error("OpenAI").sentence)).to_be_visible()
        chat.wait_done()
        expect(chat.answers).to_have_count(1)
        expect(chat.answers).to_contain_text("Still here.")
        assert chat.answer_id == answer
    chat.reload()
    expect(chat.answers).to_contain_text("Still here.")
    server.next(Script(text="Better now."))
    chat.press(f"retry_{answer}")
    expect(chat.answers).to_contain_text("Better now.")
    chat.wait_done()
    expect(chat.page.get_by_text(error("OpenAI").sentence)).to_have_count(0)


LONG = "\n\n".join(f"## Part {n}\n\nancient paragraph {n}\n\n- ancient item {n}" for n in range(12))


def test_shorter_retry_replaces_the_longer_answer(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(text=LONG), Script(tokens=6, gate=held, gate_at=3))
    chat.ask("Write much")
    expect(chat.answers).to_contain_text("ancient paragraph 11")
    chat.press("retry")
    chat.wait_word(2)
    expect(chat.page.get_by_text("ancient")).to_have_count(0)
    expect(chat.answers).to_have_count(1)
    expect(chat.page.get_by_test_id("stMain").get_by_role("heading")).to_have_count(0)
    held.set()
    chat.wait_word(5)
    chat.wait_done()
    expect(chat.page.get_by_text("ancient")).to_have_count(0)
    assert chat.shown_words() == numbered(6)


def test_edit_of_an_earlier_question_hides_later_messages(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(text="ancient one"), Script(text=LONG), Script(text="ancient three"))
    chat.ask("One")
    question = chat.question_id
    chat.ask("ancient Two")
    chat.ask("ancient Three")
    server.next(Script(tokens=4, gate=held, gate_at=2))
    chat.edit("Anew", question)
    chat.wait_word(1)
    expect(chat.messages).to_have_count(2)
    expect(chat.page.get_by_test_id("stMain").get_by_text("ancient")).to_have_count(0)
    held.set()
    chat.wait_word(3)
    chat.wait_done()
    expect(chat.messages).to_have_count(2)
    expect(chat.page.get_by_test_id("stMain").get_by_text("ancient")).to_have_count(0)


def test_welcome_is_hidden_during_the_first_reply(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    expect(chat.key("welcome")).to_be_visible()
    heading = chat.key("welcome").get_by_role("heading").inner_text()
    server.next(Script(gate=gate(), gate_at=2))
    chat.send("Hello")
    chat.wait_word(1)
    expect(chat.key("welcome")).to_have_count(0)
    expect(chat.key("starter_0")).to_have_count(0)
    expect(chat.page.get_by_text(heading)).to_have_count(0)


def test_continue_extends_a_stopped_reply_in_place(
    watched_chat: Chat, server: LLMServer, gate: Gate
) -> None:
    chat = watched_chat
    server.next(Script(tokens=30, gate=gate(), gate_at=10))
    chat.send("Count")
    chat.wait_word(9)
    chat.stop()
    chat.wait_done()
    answer = chat.answer_id
    assert chat.shown_words() == numbered(10)

    held = gate()
    server.next(Script(text=text_of(25)[len(text_of(10)) :], gate=held, gate_at=5))
    chat.press(f"continue_{answer}")
    chat.wait_word(14)
    assert chat.shown_words() == numbered(15)
    held.set()
    chat.wait_word(24)
    chat.wait_done()
    assert chat.answer_id == answer
    assert chat.shown_words() == numbered(25)
    expect(chat.answers).to_have_count(1)
    expect(chat.answers).not_to_contain_text("Stopped")
    expect(chat.key(f"continue_{answer}")).to_have_count(0)
    sent = server.requests[-1].body["messages"]
    assert any(text_of(10).strip() in each["content"] for each in sent)
    chat.reload()
    assert chat.shown_words() == numbered(25)


def test_continue_extends_a_reply_cut_by_the_token_limit(
    watched_chat: Chat, server: LLMServer
) -> None:
    chat = watched_chat
    server.next(Script(tokens=5, finish_reason="length"))
    answer = chat.ask("Count")
    expect(chat.button(f"continue_{answer}")).to_be_enabled()
    server.next(Script(text=text_of(9)[len(text_of(5)) :]))
    chat.press(f"continue_{answer}")
    chat.wait_word(8)
    chat.wait_done()
    assert chat.shown_words() == numbered(9)
    expect(chat.key(f"continue_{answer}")).to_have_count(0)

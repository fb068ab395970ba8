"""Rendering of replies: Markdown, directives that are shown as text, and folded reasoning."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import Response, expect

from tests.support.chat_page import Chat
from tests.support.llm_server import LLMServer, Script
from tests.support.rich_markdown import RICH_MARKDOWN, expect_rich_markdown

pytestmark = pytest.mark.browser
Gate = Callable[[], threading.Event]


def test_markdown_is_rendered_and_loads_no_external_resource(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held, lines = gate(), RICH_MARKDOWN.split(" ")
    server.next(Script(text=RICH_MARKDOWN, gate=held, gate_at=len(lines)))
    chat.send("Show everything")
    expect_rich_markdown(chat, is_complete=False)  # while streaming
    held.set()
    chat.wait_done()
    expect_rich_markdown(chat)  # when complete
    chat.reload()
    expect_rich_markdown(chat)  # after a reload


def test_code_block_can_be_copied(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text='Look:\n\n```python\nprint("hello")\n```'))
    chat.ask("Show code")
    code = chat.answers.get_by_test_id("stCode")
    code.hover()
    code.get_by_role("button", name="Copy").click()
    assert chat.page.evaluate("navigator.clipboard.readText()").strip() == 'print("hello")'


def test_question_is_rendered_as_sanitized_markdown(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="Fine."))
    chat.ask("Is $5 more than $4? :red[x] **bold**")
    expect(chat.questions).to_contain_text("Is $5 more than $4? :red[x] bold")
    expect(chat.questions.locator("strong")).to_have_text("bold")
    expect(chat.questions.locator(".katex")).to_have_count(0)


def test_reasoning_is_folded_and_not_sent_back(chat: Chat, server: LLMServer, gate: Gate) -> None:
    held = gate()
    server.next(Script(text="The answer.", reasoning=("inner ", "thought "), gate=held))
    chat.send("Think")
    expect(chat.answers.locator("details")).to_contain_text("Thinking")
    held.set()
    expect(chat.answers).to_contain_text("The answer.")
    chat.wait_done()
    expander = chat.answers.locator("details").first
    expect(expander.locator("summary")).to_contain_text("Thought for")
    expect(expander).not_to_have_attribute("open", "")
    expander.locator("summary").click()
    expect(expander.get_by_text("inner thought")).to_be_visible()
    assert chat.copied() == "The answer."
    chat.ask("Go on")
    assert "inner thought" not in str(server.requests[-1].body)


def test_think_tag_is_shown_as_reasoning(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="<think>hidden musing</think>Shown."))
    chat.ask("Think")
    expect(chat.answers.locator("summary").first).to_contain_text("Thought for")
    assert chat.copied() == "Shown."


def test_reasoning_without_an_opening_tag_is_folded_at_the_end(
    chat: Chat, server: LLMServer
) -> None:
    server.next(Script(text="inner thoughts\n</think>\n\nVisible text"))
    chat.ask("Think")
    expect(chat.answers.locator("summary").first).to_contain_text("Thought for")
    expect(chat.answers.get_by_text("Visible text")).to_be_visible()
    expect(chat.answers.get_by_text("inner thoughts")).not_to_be_visible()


def test_page_load_has_no_failed_requests(chat: Chat, server: LLMServer) -> None:
    refused: list[str] = []

    def note(answer: Response) -> None:
        if answer.status >= 400:
            refused.append(answer.url)

    chat.page.on("response", note)
    chat.ask("Hello")
    chat.reload()
    chat.page.wait_for_load_state("networkidle")
    assert refused == []
    has_icons = "document.fonts.check(\"16px 'Material Symbols Rounded'\")"
    assert chat.page.evaluate(has_icons)

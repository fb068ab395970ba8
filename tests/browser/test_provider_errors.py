"""Every way a provider fails: its own sentence, what came is kept, one can go on, no key shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from chat import errors
from tests.support.app_server import AppServer
from tests.support.browser_app import KEY, LIMIT, configured
from tests.support.chat_page import Chat, numbered
from tests.support.expected_errors import AFTER_FIVE_TOKENS, BEFORE_ANY_TEXT, Kinds
from tests.support.llm_server import FAULTS, LLMServer, Script

pytestmark = pytest.mark.browser
Gate = Callable[[], threading.Event]
PATIENCE = 4  # seconds: a busy machine is no stalled provider


@pytest.fixture(scope="module")
def impatient_app(llm: LLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    patience = {"FIRST_TOKEN_TIMEOUT": str(PATIENCE), "IDLE_TIMEOUT": str(PATIENCE)}
    with AppServer(tmp_path_factory.mktemp("impatient"), **configured(llm), **patience) as app:
        yield app


def sentence(kind: type[errors.ProviderError]) -> str:
    return kind("OpenAI", seconds=PATIENCE, model="echo").sentence


def expect_no_secrets(chat: Chat, app: AppServer) -> None:
    for summary in (
        chat.page.get_by_test_id("stMain").locator("details:not([open]) > summary").all()
    ):
        summary.click()
    for secret in (KEY, "Traceback"):
        assert secret not in chat.page.content()
        assert secret not in app.log()


def failures(chat: Chat, server: LLMServer, app: AppServer, kinds: Kinds) -> Iterator[str]:
    """Each fault in a conversation of its own, once its sentence stands there."""
    for name, kind in kinds.items():
        if chat.conversation_id:
            chat.press("new_chat")
            expect(chat.key("welcome")).to_be_visible()
        server.next(FAULTS[name])
        chat.send(f"Try {name}")
        expect(chat.page.get_by_text(sentence(kind)), name).to_be_visible()
        chat.wait_done()
        yield name
        expect_no_secrets(chat, app)


def test_each_failure_has_its_sentence_and_the_next_message_is_answered(
    visit: Callable[..., Chat], server: LLMServer, impatient_app: AppServer
) -> None:
    chat = visit(app=impatient_app)
    for name in failures(chat, server, impatient_app, BEFORE_ANY_TEXT):
        assert chat.shown_words() == [], name
        expect(chat.button(f"retry_{chat.answer_id}")).to_be_enabled()
    chat.ask("And a good one")
    expect(chat.answers.last).to_contain_text("And a good one")
    expect(chat.questions).to_have_count(2)


def test_what_came_before_a_failure_is_kept_and_can_be_continued(
    visit: Callable[..., Chat], server: LLMServer, impatient_app: AppServer
) -> None:
    chat = visit(app=impatient_app)
    for name in failures(chat, server, impatient_app, AFTER_FIVE_TOKENS):
        assert chat.shown_words() == numbered(5), name
        expect(chat.button(f"continue_{chat.answer_id}")).to_be_enabled()
    chat.reload()
    expect(chat.page.get_by_text(sentence(AFTER_FIVE_TOKENS[name]))).to_be_visible()
    assert chat.shown_words() == numbered(5)
    chat.ask("And a good one")
    expect(chat.answers.last).to_contain_text("And a good one")


def test_a_rate_limit_counts_down(chat: Chat, server: LLMServer) -> None:
    server.next(FAULTS["429"])
    chat.send("Hello")
    countdown = chat.page.get_by_text("Retry in")
    expect(countdown).to_be_visible()
    first = countdown.inner_text()
    expect(countdown).not_to_have_text(first)


def test_a_message_that_is_too_long_comes_back_with_both_numbers(
    chat: Chat, server: LLMServer
) -> None:
    text = "word " * 600
    chat.send(text)
    notice = chat.key("notice")
    expect(notice).to_be_visible()
    expect(notice).to_contain_text(f"{LIMIT:,}")
    numbers = [int(each) for each in notice.inner_text().replace(",", "").split() if each.isdigit()]
    assert any(number > LIMIT for number in numbers), notice.inner_text()
    expect(chat.composer).to_have_value(text)
    assert server.requests == [] and chat.conversation_id is None
    chat.composer.fill("Short")
    chat.composer.press("Enter")
    expect(chat.questions).to_contain_text("Short")
    chat.wait_done()
    expect(chat.key("notice")).to_have_count(0)
    assert len(server.requests) == 1


def test_a_message_sent_while_a_reply_runs_comes_back(
    chat: Chat, server: LLMServer, gate: Gate
) -> None:
    held = gate()
    server.next(Script(tokens=10, gate=held, gate_at=4))
    chat.send("One")
    chat.wait_word(3)
    chat.send("Two, too early")
    expect(chat.key("notice")).to_be_visible()
    expect(chat.composer).to_have_value("Two, too early")
    expect(chat.questions).to_have_count(1)
    held.set()
    chat.wait_word(9)
    chat.wait_done()
    expect(chat.composer).to_have_value("Two, too early")
    assert len(server.requests) == 1
    chat.composer.press("Enter")
    expect(chat.questions).to_have_count(2)
    expect(chat.questions.last).to_contain_text("Two, too early")

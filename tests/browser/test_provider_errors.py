"""Provider errors: a specific sentence, received text kept, retry or continue, no secret shown."""

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

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Gate = Callable[[], threading.Event]
TIMEOUT = 4  # seconds; shorter ones fail on a busy machine


@pytest.fixture(scope="module")
def app_with_timeouts(
    llm: LLMServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    timeouts = {"FIRST_TOKEN_TIMEOUT": str(TIMEOUT), "IDLE_TIMEOUT": str(TIMEOUT)}
    with AppServer(tmp_path_factory.mktemp("timeouts"), **configured(llm), **timeouts) as app:
        yield app


def sentence(kind: type[errors.ProviderError]) -> str:
    return kind("OpenAI", seconds=TIMEOUT, model="echo").sentence


def expect_no_secrets(chat: Chat, app: AppServer) -> None:
    for summary in (
        chat.page.get_by_test_id("stMain").locator("details:not([open]) > summary").all()
    ):
        summary.click()
    for secret in (KEY, "Traceback"):
        assert secret not in chat.page.content()
        assert secret not in app.log()


def failures(chat: Chat, server: LLMServer, app: AppServer, kinds: Kinds) -> Iterator[str]:
    """Provoke each fault in a new conversation; yield its name once its sentence is shown."""
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


def test_failure_before_any_text_shows_its_sentence_and_the_next_message_is_answered(
    visit: Callable[..., Chat], server: LLMServer, app_with_timeouts: AppServer
) -> None:
    chat = visit(app=app_with_timeouts)
    for name in failures(chat, server, app_with_timeouts, BEFORE_ANY_TEXT):
        assert chat.shown_words() == [], name
        expect(chat.button(f"retry_{chat.answer_id}")).to_be_enabled()
    chat.ask("And a good one")
    expect(chat.answers.last).to_contain_text("And a good one")
    expect(chat.questions).to_have_count(2)


def test_text_received_before_a_failure_is_kept_and_can_be_continued(
    visit: Callable[..., Chat], server: LLMServer, app_with_timeouts: AppServer
) -> None:
    chat = visit(app=app_with_timeouts)
    for name in failures(chat, server, app_with_timeouts, AFTER_FIVE_TOKENS):
        assert chat.shown_words() == numbered(5), name
        expect(chat.button(f"continue_{chat.answer_id}")).to_be_enabled()
    chat.reload()
    expect(chat.page.get_by_text(sentence(AFTER_FIVE_TOKENS[name]))).to_be_visible()
    assert chat.shown_words() == numbered(5)
    chat.ask("And a good one")
    expect(chat.answers.last).to_contain_text("And a good one")


def test_rate_limit_notice_counts_down(chat: Chat, server: LLMServer) -> None:
    server.next(FAULTS["429"])
    chat.send("Hello")
    countdown = chat.page.get_by_text("Retry in")
    expect(countdown).to_be_visible()
    first = countdown.inner_text()
    expect(countdown).not_to_have_text(first)


def test_too_long_message_returns_to_the_composer_with_its_size_and_the_limit(
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


def test_message_sent_during_a_reply_returns_to_the_composer(
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

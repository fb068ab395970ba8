"""A message sent when the process ends is stored or back in the box, never neither."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pages.composer.composer import MESSAGE_LOST
from tests.support.app_server import AppServer
from tests.support.browser_app import configured
from tests.support.chat_page import Chat, wait_until
from tests.support.llm_server import LLMServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORDS = "My own words\n  and a second line"
NOTHING_UNCONFIRMED = (
    "() => !Object.keys(sessionStorage).some((key) => key.startsWith('parley-sent'))"
)


@pytest.fixture
def app(server: LLMServer, tmp_path: Path) -> Iterator[AppServer]:
    with AppServer(tmp_path, **configured(server)) as app:
        yield app


def stored(app: AppServer) -> int:
    with closing(sqlite3.connect(app.database)) as database:
        query = "SELECT count(*) FROM messages WHERE role = 'user' AND text = ?"
        return int(database.execute(query, (WORDS,)).fetchone()[0])


def freeze(app: AppServer, how: signal.Signals) -> None:
    os.kill(app.pid, how)


@pytest.mark.parametrize("has_conversation", [False, True], ids=["first", "later"])
def test_message_to_a_process_that_dies_returns_to_the_box(
    app: AppServer, visit: Callable[..., Chat], has_conversation: bool
) -> None:
    chat, before = visit(app=app), stored(app)
    if has_conversation:
        chat.ask("Hello")
    chat.composer.fill(WORDS)
    chat.page.wait_for_load_state("networkidle")  # of the scripts of all elements
    freeze(app, signal.SIGSTOP)  # the connection accepts the message, and no one reads it
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value("")
    app.kill()
    app.start()
    expect(chat.composer).to_have_value(WORDS, timeout=60_000)
    expect(chat.key("notice")).to_contain_text(MESSAGE_LOST)
    assert stored(app) == before
    chat.composer.press("Enter")
    expect(chat.questions.last).to_contain_text("My own words")
    chat.wait_done()
    assert stored(app) == before + 1
    wait_until(chat.page, NOTHING_UNCONFIRMED)


@pytest.mark.parametrize("has_conversation", [False, True], ids=["first", "later"])
def test_stored_message_is_in_view_after_the_process_died_unconfirmed(
    app: AppServer, visit: Callable[..., Chat], has_conversation: bool
) -> None:
    chat, before = visit(app=app), stored(app)
    if has_conversation:
        chat.ask("Hello")
    chat.composer.fill(WORDS)
    # The browser never gets the confirmation, as if the process had died before it was sent.
    chat.page.evaluate(
        """() => { const write = Storage.prototype.removeItem
        Storage.prototype.removeItem = function (key) {
          if (!key.startsWith("parley-sent")) write.call(this, key) } }"""
    )
    chat.composer.press("Enter")
    expect(chat.questions.last).to_contain_text("My own words")
    chat.wait_done()
    conversation = chat.conversation_id
    app.kill()
    app.start()
    chat.open()  # a new chat, as if the address of the conversation had not arrived
    expect(chat.questions.last).to_contain_text("My own words", timeout=60_000)
    assert chat.conversation_id == conversation
    expect(chat.composer).to_have_value("")
    assert stored(app) == before + 1
    wait_until(chat.page, NOTHING_UNCONFIRMED)


def test_words_typed_since_are_kept_when_a_message_returns(
    app: AppServer, visit: Callable[..., Chat]
) -> None:
    chat = visit(app=app)
    chat.ask("Hello")
    chat.composer.fill(WORDS)
    freeze(app, signal.SIGSTOP)
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value("")
    chat.composer.fill("Something else")
    app.kill()
    app.start()
    expect(chat.composer).to_have_value(f"Something else {WORDS}", timeout=60_000)


def test_message_to_a_slow_process_is_sent_once(app: AppServer, visit: Callable[..., Chat]) -> None:
    chat, before = visit(app=app), stored(app)
    chat.ask("Hello")
    chat.composer.fill(WORDS)
    freeze(app, signal.SIGSTOP)
    chat.composer.press("Enter")
    # The browser asks after ten seconds; both messages are read when the process continues.
    wait_until(
        chat.page,
        "() => Object.entries(sessionStorage).some(([key, value]) => "
        "key.startsWith('parley-sent') && value.includes('asked'))",
    )
    freeze(app, signal.SIGCONT)
    expect(chat.questions.last).to_contain_text("My own words")
    chat.wait_done()
    wait_until(chat.page, NOTHING_UNCONFIRMED)
    expect(chat.composer).to_have_value("")
    assert stored(app) == before + 1

"""The database goes away under an open page: the words come back, and go out once it is back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chat.errors import NotStoredYet, StoreFailed
from tests.app_server import AppServer
from tests.browser.chat_page import Chat, numbered
from tests.browser.conftest import configured
from tests.llm_server import LLMServer, Script

pytestmark = pytest.mark.browser


def test_words_and_a_running_reply_outlast_a_database_that_is_gone_for_a_while(
    visit: Callable[..., Chat],
    server: LLMServer,
    gate: Callable[[], object],
    tmp_path: Path,
) -> None:
    held = gate()
    with AppServer(tmp_path, **configured(server)) as app:
        chat, away = visit(app=app), tmp_path / "elsewhere.db"
        server.next(Script(tokens=20, gate=held, gate_at=10))  # type: ignore[arg-type]
        chat.send("Count")
        chat.wait_word(9)
        other = visit(app=app, beside=chat)
        app.database.rename(away)
        other.send("My own words")
        expect(other.key("notice")).to_contain_text(StoreFailed.sentence)
        expect(other.composer).to_have_value("My own words")
        held.set()  # type: ignore[attr-defined]
        chat.wait_word(19)
        expect(chat.answers.last).to_contain_text(NotStoredYet.sentence)
        away.rename(app.database)
        chat.wait_done()
        assert chat.shown_words() == numbered(20)
        expect(chat.answers.last).not_to_contain_text(NotStoredYet.sentence)
        other.composer.press("Enter")
        expect(other.questions).to_contain_text("My own words")
        other.wait_done()
        chat.reload()
        assert chat.shown_words() == numbered(20)
        assert "Traceback" not in app.log()

"""Crash (SIGKILL): at most the last two seconds of a running reply are lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.support.app_server import AppServer
from tests.support.browser_app import KEY, configured
from tests.support.chat_page import Chat, numbered
from tests.support.llm_server import LLMServer, Script, text_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PACE = 40  # tokens per second
# Words at which the process is killed; None: before the first.
KILLED_AT = (None, 0, 3, 12, 25, 39, 47, 66, 81, 104)


def test_crash_loses_at_most_two_seconds_of_a_reply(
    visit: Callable[..., Chat], server: LLMServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with AppServer(tmp_path_factory.mktemp("crashing"), **configured(server)) as app:
        chat = visit(app=app)
        for number, place in enumerate(KILLED_AT):
            if number:
                chat.press("new_chat")
                expect(chat.key("welcome")).to_be_visible()
            server.next(Script(tokens=500, pace=PACE))
            chat.send(f"Question {number}")
            if place is None:
                chat.wait_running()
            else:
                chat.wait_word(place)
            shown = chat.shown_words()
            app.kill()
            app.start()
            chat.reload()
            expect(chat.questions).to_contain_text(f"Question {number}")
            expect(chat.answers).to_contain_text("Interrupted")
            chat.wait_done()
            kept = chat.shown_words()
            assert kept == numbered(len(kept)), place
            assert len(kept) >= len(shown) - 2 * PACE, place
            expect(chat.button(f"retry_{chat.answer_id}")).to_be_enabled()
            if kept:
                expect(chat.button(f"continue_{chat.answer_id}")).to_be_enabled()
        server.next(Script(text=text_of(200)[len(text_of(len(kept))) :]))
        chat.press(f"continue_{chat.answer_id}")
        chat.wait_word(199)
        chat.wait_done()
        assert chat.shown_words() == numbered(200)
        assert KEY not in app.log() and "Traceback" not in app.log()


def test_first_request_after_start_can_open_any_screen(
    shared_context: BrowserContext, server: LLMServer, tmp_path: Path
) -> None:
    page = shared_context.new_page()
    with AppServer(tmp_path, **configured(server)) as app:
        page.goto(f"{app.url}/history")
        expect(page.get_by_role("heading", name="History")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.close()

"""Database outage under an open page: drafts and the running reply survive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chat.errors import NotStoredYet, StoreFailed
from tests.support.app_server import AppServer
from tests.support.browser_app import configured
from tests.support.chat_page import Chat, numbered
from tests.support.databases import bundled_server, server_url
from tests.support.llm_server import LLMServer, Script

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Switch = Callable[[], object]


@pytest.fixture
def database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[str, Switch, Switch]]:
    """Yield the URL of a database, a function that stops it and one that restarts it."""
    if request.config.getoption("--database") == "sqlite":
        here, away = tmp_path / "kept.db", tmp_path / "elsewhere.db"
        yield f"sqlite:///{here}", lambda: here.rename(away), lambda: away.rename(here)
        return
    with bundled_server() as postgres:
        url = server_url(postgres).render_as_string(hide_password=False)
        yield url, postgres.stop, postgres.start


def test_draft_and_running_reply_survive_a_database_outage(
    visit: Callable[..., Chat],
    server: LLMServer,
    gate: Callable[[], threading.Event],
    database: tuple[str, Switch, Switch],
    tmp_path: Path,
) -> None:
    held, (url, stop_database, start_database) = gate(), database
    with AppServer(tmp_path, DATABASE_URL=url, **configured(server)) as app:
        chat = visit(app=app)
        server.next(Script(tokens=20, gate=held, gate_at=10))
        chat.send("Count")
        chat.wait_word(9)
        other = visit(app=app, beside=chat)
        stop_database()
        other.send("My own words")
        expect(other.key("notice")).to_contain_text(StoreFailed.sentence)
        expect(other.composer).to_have_value("My own words")
        idle = visit(app=app, beside=chat)  # opened during the outage
        held.set()
        chat.wait_word(19)
        expect(chat.answers.last).to_contain_text(NotStoredYet.sentence)
        start_database()
        chat.wait_done()
        assert chat.shown_words() == numbered(20)
        expect(chat.answers.last).not_to_contain_text(NotStoredYet.sentence)
        expect(other.key("notice")).to_have_count(0)  # the page recovers without a click
        expect(idle.key("notice")).to_have_count(0)
        other.composer.press("Enter")
        expect(other.questions).to_contain_text("My own words")
        other.wait_done()
        chat.reload()
        assert chat.shown_words() == numbered(20)
        assert "Traceback" not in app.log()

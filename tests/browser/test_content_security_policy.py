"""Content-Security-Policy: all features work under it without an error in the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.app_server import ROOT, AppServer
from tests.support.chat_page import Chat
from tests.support.dictation import MICROPHONE_ALLOWED, dictate
from tests.support.llm_server import LLMServer, Script
from tests.support.page_watch import PageWatch
from tests.support.rich_markdown import RICH_MARKDOWN, expect_rich_markdown

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class ChartPage(AppServer):
    script = ROOT / "tests" / "support" / "chart_page.py"


def test_conversation_with_rich_content_violates_no_policy(
    browser: Browser, visit: Callable[..., Chat], server: LLMServer
) -> None:
    server.next(Script(text=RICH_MARKDOWN), Script(text="said"))
    with closing(browser.new_context(**MICROPHONE_ALLOWED)) as context:  # type: ignore[arg-type]
        watch = PageWatch(context)
        chat = visit(context=context)
        chat.attach("table.csv", b"day,tokens\nMon,3\nTue,5\n")
        chat.price("table.csv")
        chat.ask("Show everything")
        expect_rich_markdown(chat)
        expect(chat.questions.get_by_test_id("stDataFrame")).to_be_visible()
        with chat.page.expect_download():
            chat.questions.get_by_test_id("stDownloadButton").get_by_role("button").click()
        chat.key(f"copy_{chat.answer_id}").locator("button").click()
        expect(chat.key(f"copy_{chat.answer_id}").get_by_text("Copied")).to_be_attached()
        dictate(chat)
        expect(chat.composer).to_have_value("said")
        chat.press("search")
        expect(chat.key("search_text")).to_be_visible()
        chat.wait_settled()
        watch.expect_no_errors()


def test_charts_and_tables_violate_no_policy(browser: Browser, tmp_path: Path) -> None:
    with ChartPage(tmp_path) as app, closing(browser.new_context()) as context:
        watch = PageWatch(context)
        page = context.new_page()
        page.goto(app.url)
        expect(page.get_by_text("the end")).to_be_visible(timeout=30_000)
        charts = page.get_by_test_id("stVegaLiteChart")
        expect(charts).to_have_count(4)
        for chart in charts.all():
            expect(chart.locator("canvas, svg.marks").first).to_be_visible()
        expect(page.get_by_test_id("stDataFrame")).to_be_visible()
        charts.last.hover()
        with page.expect_download() as download:
            page.get_by_role("button", name=re.compile("As CSV")).click()
        assert download.value.path().read_text("utf-8").startswith("day,tokens")
        watch.expect_no_errors()

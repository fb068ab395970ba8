"""Usage page: the report and the administrator's switches."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat
from tests.support.llm_server import LLMServer, Script

pytestmark = pytest.mark.browser


def test_administrator_sees_usage_sets_a_banner_and_disables_all_models(
    chat: Chat, visit: Callable[..., Chat], server: LLMServer
) -> None:
    server.next(Script(text="One."), Script(text="Two."))
    chat.ask("First")
    chat.ask("Second")
    admin, page = chat, chat.page  # because of LOCAL_ADMIN
    page.get_by_role("link", name="Usage").click()
    row = admin.key("usage_table").get_by_role("row").nth(1)
    expect(row).to_contain_text("echo")
    expect(row.get_by_role("cell").nth(2)).to_have_text("2")
    with page.expect_download() as download:
        admin.button("usage_csv").click()
    (line,) = csv.DictReader(download.value.path().read_text("utf-8-sig").splitlines())
    assert "2" in line.values()
    admin.press("backup")
    with page.expect_download() as download:
        admin.key("download_backup").get_by_role("link").click()
    assert download.value.path().read_bytes().startswith(b"SQLite format 3")
    other = visit()
    try:
        page.locator(".st-key-banner_text input").fill("Closed at **noon** ![](https://x.io/y)")
        admin.press("set_banner")
        page.locator(".st-key-switch_off_all label").click()
        expect(page.locator(".st-key-switch_off_all input")).to_be_checked()
        before = len(server.requests)
        other.reload()
        expect(other.page.get_by_text("Closed at **noon**")).to_be_visible()
        other.choose_model("openai/echo")
        other.send("May I?")
        expect(other.key("notice")).to_contain_text("is currently disabled")
        expect(other.composer).to_have_value("May I?")
        assert len(server.requests) == before
    finally:
        page.locator(".st-key-switch_off_all label").click()
        expect(page.locator(".st-key-switch_off_all input")).not_to_be_checked()
        page.locator(".st-key-banner_text input").fill("")
        admin.press("set_banner")
    expect(page.get_by_text("Closed at **noon**")).to_have_count(0)
    other.page.keyboard.press("Enter")
    expect(other.answers).not_to_have_count(0)

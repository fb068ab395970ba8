"""History: rename, pin, share, restore, export, import, and temporary conversations."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from chat.store import Store
from tests.support.app_server import AppServer
from tests.support.chat_page import Chat
from tests.support.chatgpt_samples import Tree, export
from tests.support.llm_server import LLMServer, Script

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Chat]


def test_conversation_can_be_renamed_pinned_deleted_and_restored(
    chat: Chat, server: LLMServer
) -> None:
    chat.ask("First words")
    address = chat.conversation_id
    entry = chat.key(f"open_{address}")
    expect(chat.key("conversations")).to_contain_text("Today")
    chat.press("manage")
    name = chat.key(f"rename_{address}").locator("input")
    name.fill("Plans for spring")
    name.press("Enter")
    expect(entry).to_contain_text("Plans for spring")
    chat.press("pin")
    expect(chat.key("conversations")).to_contain_text("Pinned")
    chat.reload()
    expect(chat.key("conversations")).to_contain_text("Pinned")
    expect(entry).to_contain_text("Plans for spring")
    chat.press("delete_conversation")
    expect(entry).to_have_count(0)
    chat.press("undo")
    expect(entry).to_contain_text("Plans for spring")
    expect(chat.questions).to_contain_text("First words")


def test_shared_link_shows_a_snapshot_until_it_is_revoked(
    chat: Chat, visit: Visit, server: LLMServer
) -> None:
    server.next(Script(text="Blue."), Script(text="Red."), Script(text="Green."))
    chat.ask("Which colour?")
    chat.press("manage")
    chat.press("share")
    link = chat.page.get_by_test_id("stCode").filter(has_text="/shared?s=").inner_text().strip()
    chat.page.keyboard.press("Escape")
    chat.edit("Which other?")
    expect(chat.answers).to_contain_text("Red.")
    chat.wait_done()

    reader = visit()
    response = reader.page.goto(link)
    assert response is not None
    assert response.headers["cache-control"] == "no-store"
    assert "noindex" in response.headers["x-robots-tag"]
    shared = reader.key("shared")
    expect(shared).to_contain_text("Blue.")
    expect(shared).not_to_contain_text("Red.")
    expect(shared).to_contain_text("Which colour?")
    reader.press("continue_shared")
    expect(reader.composer).to_be_visible()
    expect(reader.answers).to_contain_text("Blue.")
    assert reader.conversation_id not in {None, chat.conversation_id}
    reader.send("And then?")
    expect(reader.answers.last).to_contain_text("Green.")

    chat.press("manage")
    chat.page.locator('[class*="st-key-revoke_"] button').click()
    expect(chat.key("notice")).to_contain_text("was revoked")
    late = visit()
    late.page.goto(link)
    expect(late.page.get_by_text("This link has expired or was revoked")).to_be_visible()
    expect(late.page.get_by_text("Blue.")).to_have_count(0)


def test_temporary_conversation_stores_no_row(
    chat: Chat, server: LLMServer, app: AppServer
) -> None:
    def rows() -> int:
        with closing(Store(app.database_url)) as store, store.engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM messages")).scalar_one()

    before = rows()
    chat.press("new_temporary")
    expect(chat.page.get_by_text("Temporary chat: not saved")).to_be_visible()
    chat.ask("Nobody shall know")
    expect(chat.questions).to_contain_text("Nobody shall know")
    chat.reload()
    expect(chat.questions).to_contain_text("Nobody shall know")
    chat.ask("Still nobody")
    expect(chat.key("conversations")).not_to_contain_text("Nobody shall know")
    assert rows() == before
    chat.press("new_chat")
    expect(chat.page.get_by_text("Temporary chat: not saved")).to_have_count(0)
    expect(chat.questions).to_have_count(0)
    chat.ask("This is kept")
    assert rows() == before + 2


def test_export_can_be_imported_without_duplicates(
    chat: Chat, visit: Visit, server: LLMServer
) -> None:
    server.next(Script(text="Blue."))
    chat.ask("Which colour?")
    chat.page.get_by_role("link", name="History").click()
    chat.page.get_by_role("link", name="Back to the chat").click()
    expect(chat.answers).to_contain_text("Blue.")
    chat.page.get_by_role("link", name="History").click()
    chat.press("export_all")
    link = chat.key("download_all").get_by_role("link")
    with chat.page.expect_download() as download:
        link.click()
    everything = download.value.path().read_bytes()

    other = visit()
    url = str(link.evaluate("link => link.href"))
    assert chat.page.request.get(url).status == 200
    assert other.page.request.get(url).status == 404, "made for another browser"
    other.page.get_by_role("link", name="History").click()
    for expected in ("1 added", "1 unchanged"):
        file = {"name": "parley.zip", "mimeType": "application/zip", "buffer": everything}
        uploader = other.key("import_file")
        expect(other.button("import")).to_be_disabled()
        uploader.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
        other.press("import")
        expect(other.key("import_report")).to_contain_text(expected)
        uploader.get_by_role("button", name="Remove").click()
    other.page.get_by_role("link", name="Back to the chat").click()
    other.key("conversations").get_by_role("button", name="Which colour?").click()
    expect(other.answers).to_contain_text("Blue.")


def test_conversation_is_exported_in_the_selected_format(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="Blue."))
    chat.ask("Which colour?")
    chat.press("manage")
    chat.press("export")
    with chat.page.expect_download() as download:
        chat.button("download_export").click()
    text = download.value.path().read_text("utf-8")
    assert "Which colour?" in text
    assert "Blue." in text


def test_history_page_restores_a_deleted_conversation(chat: Chat) -> None:
    chat.ask("Keep me")
    address = chat.conversation_id
    chat.press("delete_conversation")
    expect(chat.key("notice")).to_contain_text("deleted")
    chat.page.get_by_role("link", name="History").click()
    chat.press(f"restore_{address}")
    expect(chat.page.get_by_text("Trash is empty.")).to_be_visible()
    chat.page.get_by_role("link", name="Back to the chat").click()
    expect(chat.key(f"open_{address}")).to_be_visible()


def test_history_search_opens_the_version_that_matches(chat: Chat, server: LLMServer) -> None:
    server.next(Script(text="A capybara swims."), Script(text="A badger digs."), Script(text="Hm."))
    chat.ask("Which animal?")
    wanted, answer = chat.conversation_id, chat.answer_id
    chat.press("retry")
    expect(chat.answers).to_contain_text("badger")
    chat.wait_done()
    chat.press("new_chat")
    expect(chat.key("welcome")).to_be_visible()
    chat.ask("Something else")
    chat.page.get_by_role("link", name="History").click()
    box = chat.key("history_search").locator("input")
    box.fill("xyzzy")
    expect(chat.page.get_by_text("Nothing found")).to_be_visible()
    box.fill("has:file capyb")
    expect(chat.key("found").get_by_role("button")).to_have_count(0)
    box.fill("model: capyb")
    hit = chat.key(f"found_{answer}")
    expect(hit).to_contain_text("Which animal?")
    expect(chat.key("found").locator("strong")).to_have_text("capyb")
    hit.get_by_role("button").click()
    expect(chat.answers).to_contain_text("capybara")
    assert chat.conversation_id == wanted
    expect(chat.key(f"retry_{answer}")).to_be_visible()


def test_chatgpt_import_report_survives_a_refresh(
    chat: Chat,
) -> None:
    chat.page.get_by_role("link", name="History").click()
    tree = Tree(title="Sky")
    tree.add("client-created-root", "q", "user", "Why is the sky blue?")
    tree.add("q", "a", "assistant", "Scattering.")
    data = export(tree)
    file = {"name": "conversations.json", "mimeType": "application/json", "buffer": data}
    uploader = chat.key("import_file")
    uploader.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    expect(uploader).to_contain_text("conversations.json")
    chat.press("import")
    expect(chat.key("import_report")).to_contain_text("1 added")
    chat.page.reload()
    expect(chat.key("import_report")).to_contain_text("1 added")
    box = chat.key("history_search").locator("input")
    box.fill("scatter")
    chat.key("found").get_by_role("button").click()
    expect(chat.questions).to_contain_text("Why is the sky blue?")
    expect(chat.answers).to_contain_text("Scattering.")


def test_export_can_be_downloaded_during_a_reply(
    chat: Chat,
    server: LLMServer,
    gate: Callable[[], threading.Event],
    visit: Callable[..., Chat],
) -> None:
    chat.ask("Hello")
    chat.press("manage")
    chat.press("export")
    expect(chat.key("download_export")).to_be_visible()
    chat.page.keyboard.press("Escape")
    server.next(Script(tokens=20, gate=gate(), gate_at=7))
    chat.send("Count")
    chat.wait_word(6)
    visit().ask("The end of a run lets Streamlit forget what no page shows any more")
    chat.page.bring_to_front()
    chat.press("manage")
    with chat.page.expect_download() as downloading:
        chat.press("download_export")
    assert b"Hello" in Path(downloading.value.path()).read_bytes()

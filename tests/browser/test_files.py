"""Files in the composer: priced before sending, received by the model, and stored."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.support import sample_files
from tests.support.app_server import AppServer
from tests.support.browser_app import configured
from tests.support.chat_page import Chat, tokens_in, wait_until
from tests.support.databases import stored_bytes
from tests.support.llm_server import LLMServer, Script

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTES = b"The password of the day is swordfish."


@pytest.fixture(scope="module")
def app(llm: LLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """An app with known model names and a small context window."""
    config = configured(llm) | {
        "OPENAI_MODELS": "gpt-4o",
        "DEFAULT_MODEL": "openai/gpt-4o",
        "MAX_HISTORY_TOKENS": "3000",
        "LONG_PASTE_CHARACTERS": "500",
    }
    with AppServer(tmp_path_factory.mktemp("files"), **config) as app:
        yield app


def status(url: str) -> int:
    """Return the response status for a client without a cookie."""
    try:
        with urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def picture(size: tuple[int, int] = (640, 480)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, "teal").save(data, "PNG")
    return data.getvalue()


def sent(server: LLMServer) -> Any:
    """Return the content of the newest question as the provider received it."""
    return server.requests[-1].body["messages"][-1]["content"]


def test_pasted_picture_is_sent_to_a_vision_model_as_an_image_part(
    chat: Chat, server: LLMServer
) -> None:
    chat.paste_file("image.png", picture(), "image/png")
    assert chat.price("image.png") > 0
    chat.ask("What colour is it?")
    text, image = sent(server)
    assert text == {"type": "text", "text": "What colour is it?"}
    head, _, data = image["image_url"]["url"].partition(",")
    assert (image["type"], head) == ("image_url", "data:image/png;base64")
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (640, 480)
    shown = chat.questions.locator("img[alt='image.png']")
    expect(shown).to_be_visible()
    chat.reload()
    expect(shown).to_be_visible()
    expect(chat.chip("image.png")).to_have_count(0)


def test_picture_url_is_refused_to_other_visitors(
    chat: Chat, visit: Callable[..., Chat], app: AppServer
) -> None:
    chat.paste_file("image.png", picture(), "image/png")
    chat.price("image.png")
    chat.ask("What colour is it?")
    shown = chat.questions.locator("img[alt='image.png']")
    url = urljoin(app.url, str(shown.get_attribute("src")))
    assert chat.page.request.get(url).headers["content-type"].startswith("image/")
    assert visit().page.request.get(url).status == status(url) == 404


def test_picture_for_a_model_without_vision_is_refused_and_kept(
    chat: Chat, server: LLMServer
) -> None:
    chat.choose_model("gpt-3.5-turbo")
    chat.paste_file("image.png", picture(), "image/png")
    expect(chat.waiting("image.png")).to_contain_text("does not support images")
    chat.send("What colour is it?")
    expect(chat.key("notice")).to_contain_text("gpt-3.5-turbo · OpenAI does not support images")
    expect(chat.composer).to_have_value("What colour is it?")
    expect(chat.waiting("image.png")).to_be_visible()
    assert server.requests == []
    chat.choose_model("gpt-4o")
    chat.press("send_files")
    expect(chat.answers).to_have_count(1)
    chat.wait_done()
    assert [part["type"] for part in sent(server)] == ["text", "image_url"]
    expect(chat.composer).to_have_value("")
    expect(chat.waiting("image.png")).to_have_count(0)


DOCUMENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "report.pdf": (lambda: sample_files.pdf("The bridge is 412 metres long."), "412 metres"),
    "minutes.docx": (sample_files.word, "We met on Monday"),
    "people.xlsx": (lambda: sample_files.workbook({"Fruit": [["apples", 12]]}), "apples,12"),
    "fruit.csv": (lambda: b"fruit,count\napples,12\npears,7\n", "pears,7"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_sent_at_the_displayed_price(chat: Chat, server: LLMServer, name: str) -> None:
    make, known = DOCUMENTS[name]
    chat.attach(name, make())
    price = chat.price(name)
    chat.ask("What does it say?")
    content = sent(server)
    assert known in content
    assert content.startswith(f'File "{name}"')
    assert content.endswith("What does it say?")
    files = chat.page.locator('[class*="st-key-files_"]')
    expect(files.locator('[class*="st-key-file_"] button')).to_contain_text(name)
    counted = tokens_in(files.inner_text())
    assert abs(price - counted) <= 0.05 * counted
    if name.endswith(("xlsx", "csv")):
        expect(files.get_by_test_id("stDataFrame")).to_be_visible()


def test_files_are_resent_on_retry_and_edit_and_purged_with_the_conversation(
    chat: Chat, server: LLMServer, app: AppServer
) -> None:
    chat.attach("notes.txt", NOTES)
    chat.price("notes.txt")
    chat.ask("What is it?")
    chat.press("retry")
    server.wait_for_requests(2)
    chat.wait_done()
    assert "swordfish" in sent(server)
    chat.edit("And now?")
    expect(chat.questions).to_contain_text("And now?")
    server.wait_for_requests(3)
    chat.wait_done()
    assert "swordfish" in sent(server)
    chat.reload()
    with chat.page.expect_download() as download:
        chat.page.locator('[class*="st-key-file_"] button').click()
    assert download.value.path().read_bytes() == NOTES
    assert any(b"swordfish" in data for data in stored_bytes(app.database_url))
    chat.press("delete_conversation")
    chat.press("purge")
    expect(chat.key("notice")).to_contain_text("Deleted for good")
    assert [data for data in stored_bytes(app.database_url) if b"swordfish" in data] == []


def test_file_that_does_not_fit_can_be_sent_in_part(chat: Chat, server: LLMServer) -> None:
    chat.attach("long.txt", b"".join(b"line %d of many\n" % number for number in range(2000)))
    assert chat.price("long.txt") > 3000
    expect(chat.waiting("long.txt")).to_contain_text("too long for the model")
    chat.send("Sum it up")
    expect(chat.key("notice")).to_contain_text("are available")
    assert server.requests == []
    chat.wait_settled()  # the returned text is sent to the browser until a run is complete
    chat.composer.fill("Sum it up, please")
    chat.press("send_beginning")
    expect(chat.answers).to_have_count(1)
    chat.wait_done()
    assert "line 0 of many" in sent(server)
    assert "line 1999 of many" not in sent(server)
    assert sent(server).endswith("Sum it up, please")
    expect(chat.questions).to_contain_text("only the beginning is sent")


def test_long_paste_becomes_a_file_and_can_be_undone(chat: Chat, server: LLMServer) -> None:
    pasted = "word and word\n" * 60
    chat.composer.fill("Look:")
    chat.paste_text(pasted)
    expect(chat.chip("Pasted text.txt")).to_be_visible()
    expect(chat.composer).to_have_value("Look:")
    chat.waiting("Pasted text.txt").get_by_role("button").click()
    expect(chat.chip("Pasted text.txt")).to_have_count(0)
    expect(chat.composer).to_have_value(f"Look: {pasted}")
    chat.composer.fill("")
    chat.paste_text("short")
    expect(chat.composer).to_have_value("short")
    chat.paste_text(pasted)
    chat.price("Pasted text 2.txt")
    chat.ask("short")
    assert "word and word" in sent(server)
    assert sent(server).endswith("short")


def test_unreadable_file_is_reported_and_the_others_are_kept(chat: Chat, server: LLMServer) -> None:
    chat.attach("notes.txt", NOTES)
    chat.price("notes.txt")
    chat.attach("false.pdf", b"MZ\x90\x00 this is a program" + bytes(200))
    expect(chat.waiting("false.pdf")).to_contain_text("cannot be read")
    chat.send("Read both")
    expect(chat.key("notice")).to_contain_text("cannot be read")
    expect(chat.composer).to_have_value("Read both")
    assert server.requests == []
    chat.waiting("false.pdf").get_by_role("button", name="Remove").click()
    expect(chat.waiting("false.pdf")).to_have_count(0)
    chat.send("Read it")
    expect(chat.answers).to_have_count(1)
    chat.wait_done()
    assert "swordfish" in sent(server)


def test_price_updates_with_the_files_in_the_composer(chat: Chat) -> None:
    chat.attach("one.txt", NOTES)
    chat.attach("two.txt", NOTES * 2)
    assert chat.price("one.txt") < chat.price("two.txt")
    expect(chat.key("tray")).to_contain_text("Together")
    chat.chip("one.txt").get_by_role("button").click()
    expect(chat.waiting("one.txt")).to_have_count(0)
    expect(chat.waiting("two.txt")).to_have_count(1)


def test_guessed_encoding_can_be_changed_before_sending(chat: Chat, server: LLMServer) -> None:
    chat.attach("names.csv", "Název,Množství\n1,2\n".encode("iso8859-2"))
    expect(chat.waiting("names.csv")).to_contain_text(re.compile("read as Windows-1250.*Mnoľství"))
    chat.waiting("names.csv").get_by_role("combobox").fill("8859-2")
    chat.page.get_by_role("option", name="ISO 8859-2 (Central European)").click()
    expect(chat.waiting("names.csv")).to_contain_text(re.compile("read as ISO 8859-2.*Množství"))
    chat.send("Who is in it?")
    expect(chat.answers).to_have_count(1)
    chat.wait_done()
    assert "Množství" in sent(server)


def test_hostile_file_name_is_shown_as_text(chat: Chat, server: LLMServer) -> None:
    name = "![x](https:evil.example) <img src=x>\u202egpj.txt"
    chat.attach(name, NOTES, is_shown_as="![x]")
    expect(chat.page.locator('[class*="st-key-file_waiting_"]')).to_contain_text("tokens")
    chat.ask("Look")
    assert chat.page.locator("img[src*=evil], img[src=x]").count() == 0
    expect(chat.questions).to_contain_text("evil.example")
    assert "\u202e" not in json.dumps(server.requests[-1].body, ensure_ascii=False)
    assert not re.search("\u202e", chat.questions.last.inner_text())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('quote"s.txt', 'quote"s.txt'),
        ("new\nline.txt", "new line.txt"),
        ("100%22.txt", "100%22.txt"),
        ("C:\\new\\notes.txt", "notes.txt"),
    ],
    ids=["quote", "line", "percent", "path"],
)
def test_file_name_escaped_in_multipart_upload_is_priced_and_stored(
    chat: Chat, server: LLMServer, name: str, shown: str
) -> None:
    chat.attach(name, NOTES, is_shown_as=".txt")
    assert chat.price(shown) > 0
    chat.ask("Look")
    files = chat.page.locator('[class*="st-key-files_"]')
    expect(files.locator('[class*="st-key-file_"] button')).to_contain_text(shown)
    in_fence = shown.replace('"', "'")
    assert sent(server).startswith(f'File "{in_fence}"')
    expect(chat.page.locator('[class*="st-key-file_waiting_"]')).to_have_count(0)


def test_picture_with_a_quote_in_its_name_is_checked_for_vision_before_sending(
    chat: Chat,
) -> None:
    chat.choose_model("gpt-3.5-turbo")
    chat.attach('a "teal" one.png', picture(), "image/png", is_shown_as=".png")
    expect(chat.waiting('a "teal" one.png')).to_contain_text("does not support images")


def test_message_returns_to_the_composer_after_each_refusal(chat: Chat, server: LLMServer) -> None:
    chat.choose_model("gpt-3.5-turbo")
    chat.paste_file("image.png", picture(), "image/png")
    chat.wait_pending("image.png")
    for _ in range(3):
        chat.send("What colour is it?")
        expect(chat.key("notice")).to_contain_text("does not support images")
        expect(chat.composer).to_have_value(re.compile(r"What colour is it\? *"))
        chat.wait_settled()
        chat.press("dismiss")
        expect(chat.key("notice")).to_have_count(0)
        expect(chat.composer).to_have_value(re.compile(r"What colour is it\? *"))
    chat.press("send_files")
    expect(chat.key("notice")).to_contain_text("does not support images")
    expect(chat.composer).to_have_value(re.compile(r"What colour is it\? *"))
    assert server.requests == []


@pytest.mark.parametrize("size", [(1600, 900), (640, 480)], ids=["wide", "small"])
def test_picture_is_scaled_down_in_the_chat_and_large_in_full_screen(
    chat: Chat, server: LLMServer, size: tuple[int, int]
) -> None:
    chat.attach("image.png", picture(size), "image/png")
    chat.price("image.png")
    chat.ask("Look")
    image = chat.questions.locator("img")
    expect(image).to_have_js_property("complete", value=True)
    assert image.evaluate("(image) => image.clientWidth") == 320
    image.hover()
    chat.page.get_by_role("button", name="Fullscreen").click()
    wait_until(chat.page, "() => document.querySelector('[alt=\"image.png\"]').clientWidth > 600")


def test_refusal_stays_visible_when_the_composer_is_emptied_afterwards(chat: Chat) -> None:
    chat.choose_model("gpt-3.5-turbo")
    chat.paste_file("image.png", picture(), "image/png")
    chat.wait_pending("image.png")
    with chat.composer_reports_no_files():
        chat.send("What colour is it?")
        expect(chat.key("notice")).to_contain_text("does not support images")
    chat.press("search")
    expect(chat.key("search_text")).to_be_visible()
    expect(chat.key("notice")).to_contain_text("does not support images")
    chat.press("remove_file_0")
    expect(chat.key("notice")).to_have_count(0)


def test_retry_with_a_model_without_vision_is_refused_with_a_notice(
    chat: Chat, server: LLMServer
) -> None:
    chat.paste_file("image.png", picture(), "image/png")
    chat.price("image.png")
    chat.ask("What colour is it?")
    chat.choose_model("gpt-3.5-turbo")
    chat.press("retry")
    expect(chat.key("notice")).to_contain_text("does not support images")
    assert len(server.requests) == 1


def test_picture_pasted_together_with_its_text_is_ignored(chat: Chat) -> None:
    chat.paste_both("one two", "image.png", picture(), "image/png")
    expect(chat.composer).to_have_value("one two")
    expect(chat.chip("image.png")).to_have_count(0)


def test_pending_files_are_kept_when_a_starter_is_sent(chat: Chat, server: LLMServer) -> None:
    chat.attach("notes.txt", NOTES)
    chat.price("notes.txt")
    chat.press("starter_0")
    expect(chat.answers).to_have_count(1)
    chat.wait_done()
    assert "swordfish" not in json.dumps(server.requests[-1].body)
    expect(chat.waiting("notes.txt")).to_be_visible()


def test_sent_files_disappear_at_once_and_new_files_are_priced_during_the_reply(
    chat: Chat, server: LLMServer, gate: Callable[[], threading.Event]
) -> None:
    held = gate()
    server.next(Script(tokens=30, gate=held, gate_at=10))
    chat.attach("notes.txt", NOTES)
    chat.price("notes.txt")
    chat.send("What?")
    chat.wait_word(9)
    expect(chat.waiting("notes.txt")).to_have_count(0)
    chat.attach("other.txt", NOTES * 2)
    assert chat.price("other.txt") > 0
    held.set()
    chat.wait_done()
    expect(chat.waiting("other.txt")).to_be_visible()


def test_too_large_file_is_reported_and_its_message_is_not_sent(
    chat: Chat, server: LLMServer
) -> None:
    chat.attach("large.txt", bytes(26_500_000))
    expect(chat.waiting("large.txt")).to_contain_text("was not uploaded")
    with chat.composer_reports_no_files():
        chat.send("Sum it up")
        expect(chat.key("notice")).to_contain_text("was not uploaded")
    chat.press("search")
    expect(chat.key("search_text")).to_be_visible()
    expect(chat.key("notice")).to_contain_text("was not uploaded")
    expect(chat.composer).to_have_value("Sum it up")
    assert server.requests == []

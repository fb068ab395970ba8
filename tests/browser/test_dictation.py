"""Dictation: the transcript is appended to the draft, never sent automatically, never lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.support.app_server import AppServer
from tests.support.browser_app import configured
from tests.support.chat_page import Chat
from tests.support.dictation import MICROPHONE_ALLOWED, dictate, wait_for_speech
from tests.support.llm_server import FAULTS, LLMServer, Script
from tests.support.speech_server import HELLO_WORLD, SpeechServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Simulates a slow browser: delayed reads of the box run only after it has been emptied.
DELAY_TIMERS = """() => {
  const later = window.setTimeout
  let isEmptied = false
  const look = (work) => {
    const box = document.querySelector(".st-key-composer textarea")
    isEmptied ||= box?.value === ""
    if (isEmptied) work()
    else requestAnimationFrame(() => look(work))
  }
  window.setTimeout = (work, time, ...more) =>
    [50, 100].includes(time) && !isEmptied ? look(work) : later(work, time, ...more)
}"""


@pytest.fixture(scope="module")
def speech() -> Iterator[SpeechServer]:
    with SpeechServer() as server:
        yield server


@pytest.fixture(scope="module")
def dictation_app(
    llm: LLMServer, speech: SpeechServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    """An app that sends recordings to a real speech recogniser."""
    config = configured(llm) | {"TRANSCRIPTION_BASE_URL": speech.base_url}
    with AppServer(tmp_path_factory.mktemp("voice"), **config) as app:
        yield app


@pytest.fixture
def open_dictation(
    visit: Callable[..., Chat], dictation_app: AppServer, server: LLMServer
) -> Callable[[], Chat]:
    return lambda: visit(app=dictation_app, **MICROPHONE_ALLOWED)


def test_dictation_is_appended_to_the_draft_and_not_sent(
    open_dictation: Callable[[], Chat], server: LLMServer
) -> None:
    chat = open_dictation()
    chat.composer.fill("She said:")
    dictate(chat)
    expect(chat.composer).to_have_value("She said: hello world", timeout=20_000)
    chat.wait_settled()
    assert server.requests == []
    expect(chat.questions).to_have_count(0)
    chat.composer.press("Enter")
    chat.wait_done()
    expect(chat.questions).to_contain_text("She said: hello world")


@pytest.mark.parametrize("is_slow", [False, True], ids=["", "slow"])
def test_composer_microphone_appends_the_transcript_to_the_draft(
    open_dictation: Callable[[], Chat], server: LLMServer, is_slow: bool
) -> None:
    chat = open_dictation()
    chat.composer.fill("She said:")
    chat.page.get_by_test_id("stChatInputMicButton").click()
    wait_for_speech(chat)
    if is_slow:
        chat.page.evaluate(DELAY_TIMERS)
    chat.key("composer").locator("button").last.click()
    expect(chat.composer).to_have_value("She said: hello world", timeout=20_000)
    assert server.requests == []


def test_audio_file_is_transcribed_and_other_files_stay_pending(
    open_dictation: Callable[[], Chat], server: LLMServer
) -> None:
    chat = open_dictation()
    chat.attach("memo.wav", HELLO_WORLD.read_bytes(), "audio/wav")
    expect(chat.waiting("memo.wav")).to_contain_text("transcribed into the box")
    chat.attach("notes.txt", b"swordfish")
    chat.price("notes.txt")
    chat.send("She said:")
    expect(chat.composer).to_have_value("She said: hello world", timeout=20_000)
    assert server.requests == []
    expect(chat.waiting("notes.txt")).to_be_visible()
    expect(chat.waiting("memo.wav")).to_have_count(0)
    chat.composer.press("Enter")
    expect(chat.answers).to_have_count(1)
    chat.wait_done()
    content = server.requests[-1].body["messages"][-1]["content"]
    assert "swordfish" in content
    assert content.endswith("She said: hello world")


def test_failed_transcription_can_be_retried_with_the_same_recording(
    visit: Callable[..., Chat], server: LLMServer
) -> None:
    chat = visit(**MICROPHONE_ALLOWED)
    server.next(FAULTS["500"], Script(text="hello again"))
    chat.composer.fill("Draft")
    dictate(chat)
    expect(chat.key("notice")).to_contain_text("has a problem on its side")
    first = server.requests[-1]
    chat.page.locator('[class*="st-key-transcribe_again_"] button').click()
    expect(chat.composer).to_have_value("Draft hello again")
    assert server.requests[-1].upload == first.upload
    expect(chat.key("notice")).to_have_count(0)
    expect(chat.page.locator('[class*="st-key-transcribe_again_"]')).to_have_count(0)
    assert len(server.requests) == 2


def test_recording_can_be_discarded(visit: Callable[..., Chat], server: LLMServer) -> None:
    chat = visit(**MICROPHONE_ALLOWED)
    server.next(FAULTS["401"])
    dictate(chat)
    expect(chat.key("notice")).to_contain_text("did not accept the API key")
    chat.page.locator('[class*="st-key-discard_recording_"] button').click()
    expect(chat.page.locator('[class*="st-key-transcribe_again_"]')).to_have_count(0)
    expect(chat.key("notice")).to_have_count(0)
    expect(chat.composer).to_have_value("")


def test_denied_microphone_permission_is_reported(visit: Callable[..., Chat]) -> None:
    chat = visit(permissions=["geolocation"])  # all others are denied
    expect(chat.key("microphone")).to_contain_text("The browser blocks the microphone")
    assert chat.key("mic").evaluate("(element) => element.inert")


def test_page_without_https_explains_that_the_microphone_needs_it(
    visit: Callable[..., Chat],
) -> None:
    chat = visit()
    chat.page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    chat.reload()
    expect(chat.key("microphone")).to_contain_text("works only over HTTPS or on localhost")

"""Speech lands in the box behind what was typed, is never sent by itself, and is never lost."""

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

pytestmark = pytest.mark.browser

# Whoever looks at the box a moment later looks when it is emptied: so slow can a browser be.
SLOW = """() => {
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
def hearing_app(
    llm: LLMServer, speech: SpeechServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    """Its speech goes to somebody who really listens."""
    config = configured(llm) | {"TRANSCRIPTION_BASE_URL": speech.base_url}
    with AppServer(tmp_path_factory.mktemp("voice"), **config) as app:
        yield app


@pytest.fixture
def speaker(
    visit: Callable[..., Chat], hearing_app: AppServer, server: LLMServer
) -> Callable[[], Chat]:
    return lambda: visit(app=hearing_app, **MICROPHONE_ALLOWED)


def test_dictation_lands_behind_what_was_typed_and_is_not_sent(
    speaker: Callable[[], Chat], server: LLMServer
) -> None:
    chat = speaker()
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
def test_the_microphone_in_the_box_goes_the_same_way(
    speaker: Callable[[], Chat], server: LLMServer, is_slow: bool
) -> None:
    chat = speaker()
    chat.composer.fill("She said:")
    chat.page.get_by_test_id("stChatInputMicButton").click()
    wait_for_speech(chat)
    if is_slow:
        chat.page.evaluate(SLOW)
    chat.key("composer").locator("button").last.click()
    expect(chat.composer).to_have_value("She said: hello world", timeout=20_000)
    assert server.requests == []


def test_an_audio_file_goes_the_same_way_and_other_files_wait(
    speaker: Callable[[], Chat], server: LLMServer
) -> None:
    chat = speaker()
    chat.attach("memo.wav", HELLO_WORLD.read_bytes(), "audio/wav")
    expect(chat.waiting("memo.wav")).to_contain_text("turned into text")
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


def test_a_failed_transcription_can_be_tried_again_without_speaking_again(
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


def test_a_recording_can_be_discarded(visit: Callable[..., Chat], server: LLMServer) -> None:
    chat = visit(**MICROPHONE_ALLOWED)
    server.next(FAULTS["401"])
    dictate(chat)
    expect(chat.key("notice")).to_contain_text("did not accept the API key")
    chat.page.locator('[class*="st-key-discard_recording_"] button').click()
    expect(chat.page.locator('[class*="st-key-transcribe_again_"]')).to_have_count(0)
    expect(chat.key("notice")).to_have_count(0)
    expect(chat.composer).to_have_value("")


def test_a_denied_microphone_is_said_so(visit: Callable[..., Chat]) -> None:
    chat = visit(permissions=["geolocation"])  # what is not granted then is denied
    expect(chat.key("microphone")).to_contain_text("The browser denies the microphone")
    assert chat.key("mic").evaluate("(element) => element.inert")


def test_a_page_without_https_says_that_the_microphone_needs_it(
    visit: Callable[..., Chat],
) -> None:
    chat = visit()
    chat.page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    chat.reload()
    expect(chat.key("microphone")).to_contain_text("works only over HTTPS or on localhost")

"""The chat as a person sees it: controls are found by their keys, messages by their roles."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.support.llm_server import word
from tests.support.websocket_frames import is_end_of_run, tells_of_no_files

_WORD = re.compile(r"[a-z]+\d+")
_LAST_ANSWER = """() => {
  const answers = document.querySelectorAll('[aria-label="Chat message from assistant"]')
  return answers.length ? answers[answers.length - 1].innerText : ""
}"""
_ROWS_ARE_THERE = """() =>
  document.querySelectorAll('[class*="st-key-retry_"]').length ===
  document.querySelectorAll('[aria-label="Chat message from assistant"]').length"""
_KEYS = """(pattern) => [...document.querySelectorAll('[class*="st-key-"]')].flatMap((each) =>
  [...each.classList].map((name) => name.match(pattern)?.[1]).filter(Boolean))"""
_ID = "^st-key-{}_([0-9a-f]{{30}})$"
_PASTE = """([files, text]) => {
  const pasted = new DataTransfer()
  for (const [name, type, bytes] of files) {
    const data = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))
    pasted.items.add(new File([data], name, {type}))
  }
  if (text) pasted.setData("text/plain", text)
  const box = document.querySelector(".st-key-composer textarea")
  box.focus()
  const paste = {clipboardData: pasted, bubbles: true, cancelable: true}
  if (box.dispatchEvent(new ClipboardEvent("paste", paste)) && text)
    document.execCommand("insertText", false, text)
}"""
# Whatever the page ever shows of a numbered reply must be its beginning, and must not shrink.
_WATCH = """(() => {
  const words = %s
  let longest = 0
  const look = () => {
    const answers = document.querySelectorAll('[aria-label="Chat message from assistant"]')
    if (!answers.length) return
    const text = answers[answers.length - 1].textContent
    const found = text.match(/[a-z]+\\d+/g) || []
    const wrong = found.findIndex((each, place) => each !== words[place])
    if (wrong >= 0) window.parleyViolation(`word ${wrong} is ${found[wrong]}`)
    if (found.length < longest) window.parleyViolation(`${longest} to ${found.length}`)
    longest = found.length
  }
  const all = {subtree: true, childList: true, characterData: true}
  new MutationObserver(look).observe(document, all)
})()"""
_UNTIL = """([seconds]) => new Promise((done, fail) => {
  const end = Date.now() + 1000 * seconds
  const isTrue = CONDITION
  const look = () => {
    if (isTrue()) done()
    else if (Date.now() > end) fail(new Error("it did not come true: CONDITION"))
    else setTimeout(look, 20)
  }
  look()
})"""


def wait_until(page: Page, condition: str, seconds: float = 30) -> None:
    """Wait until a function of the page is true. `wait_for_function` would need eval there."""
    quoted = condition.replace('"', "'").replace("\n", " ")
    page.evaluate(
        _UNTIL.replace('true: CONDITION"', f'true: {quoted}"').replace("CONDITION", condition),
        [seconds],
    )


def numbered(tokens: int) -> list[str]:
    """The words of the server's deterministic reply."""
    return [word(place).strip() for place in range(tokens)]


def tokens_in(text: str) -> int:
    """The number in "≈ 1,234 tokens"."""
    (found,) = re.findall(r"([\d,]+) tokens", text)
    return int(found.replace(",", ""))


class Chat:
    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        page.on("websocket", self._note_socket)
        self.composer = self.key("composer").locator("textarea")
        self.messages = page.get_by_test_id("stChatMessage")
        self.questions = self._from("user")
        self.answers = self._from("assistant")

    def _note_socket(self, socket: WebSocket) -> None:
        self._socket = socket

    # --- finding -------------------------------------------------------------------------------

    def key(self, key: str) -> Locator:
        return self.page.locator(f".st-key-{key}")

    def button(self, key: str) -> Locator:
        return self.key(key).locator("button").first

    def ids(self, kind: str) -> list[str]:
        """The ids in the keys `<kind>_<id>`, in the order of the page."""
        found: list[str] = self.page.evaluate(_KEYS, _ID.format(kind))
        return found

    @property
    def conversation_id(self) -> str | None:
        return parse_qs(urlsplit(self.page.url).query).get("c", [None])[0]

    @property
    def question_id(self) -> str:
        return self._last_id("edit")

    @property
    def answer_id(self) -> str:
        return self._last_id("retry")

    def _last_id(self, kind: str) -> str:
        """A message's row comes after its words."""
        expect(self.page.locator(f'[class*="st-key-{kind}_"]').first).to_be_attached()
        return self.ids(kind)[-1]

    # --- doing ---------------------------------------------------------------------------------

    def open(self, conversation_id: str | None = None) -> None:
        """A cold visit, as from a bookmark; comes back when there is something to type into."""
        self.page.goto(f"{self.url}/?c={conversation_id}" if conversation_id else self.url)
        self._wait_loaded()

    def reload(self) -> None:
        self.page.reload()
        self._wait_loaded()

    def press(self, key: str) -> None:
        self.button(key).click()
        if key == "new_chat":  # what is drawn for the last time would be counted
            expect(self.messages).to_have_count(0)

    def send(self, text: str) -> None:
        self.composer.fill(text)
        self.composer.press("Enter")

    def paste_file(self, name: str, data: bytes, media_type: str) -> None:
        """As from a screenshot or a file manager."""
        encoded = base64.b64encode(data).decode()
        self.page.evaluate(_PASTE, [[[name, media_type, encoded]], ""])
        expect(self.chip(name)).to_be_visible()

    def paste_text(self, text: str) -> None:
        self.page.evaluate(_PASTE, [[], text])

    def paste_both(self, text: str, name: str, data: bytes, media_type: str) -> None:
        """Text and a picture of it, as office programs copy."""
        encoded = base64.b64encode(data).decode()
        self.page.evaluate(_PASTE, [[[name, media_type, encoded]], text])

    def attach(
        self, name: str, data: bytes, media_type: str = "", *, is_shown_as: str = ""
    ) -> None:
        """Through the file chooser behind the + of the box."""
        file = {"name": name, "mimeType": media_type or "application/octet-stream", "buffer": data}
        self.key("composer").locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
        expect(self.chip(is_shown_as or name)).to_be_visible()

    def chip(self, name: str) -> Locator:
        """A file in the box."""
        return self.key("composer").get_by_test_id("stFileChip").filter(has_text=name)

    def waiting(self, name: str) -> Locator:
        """What is said above the box of a file that will be sent."""
        return self.page.locator('[class*="st-key-file_waiting_"]').filter(has_text=name)

    def price_or_problem(self, name: str) -> None:
        """Wait until something is said of a file."""
        expect(self.waiting(name)).to_be_visible()

    def price(self, name: str) -> int:
        """The tokens that a file is said to cost before it is sent."""
        expect(self.waiting(name)).to_contain_text("tokens")
        return tokens_in(self.waiting(name).inner_text())

    def ask(self, text: str) -> str:
        """Send, and wait for the whole reply; returns the answer's id."""
        before = self.ids("retry")  # of another conversation, perhaps, that is still to vanish
        self.send(text)
        found = f"({_KEYS})('{_ID.format('retry')}')"
        wait_until(self.page, f"() => {found}.some((id) => !{json.dumps(before)}.includes(id))")
        self.wait_done()
        return self.answer_id

    def stop(self) -> None:
        self.press("stop")

    def edit(self, text: str, message_id: str | None = None) -> None:
        """Send a question in other words."""
        message_id = message_id or self.question_id
        self.press(f"edit_{message_id}")
        self.key(f"edit_text_{message_id}").locator("textarea").fill(text)
        self.press(f"edit_send_{message_id}")

    def choose_model(self, model: str) -> None:
        """Type a model's id into the list of models."""
        box, label = self.key("model").locator("input"), f"{model.removeprefix('openai/')} · OpenAI"
        if box.input_value() != label:
            with self._a_run():  # a file that is pasted as one begins would be lost
                box.fill(model)
                box.press("Enter")
        expect(box).to_have_value(label)

    def fill(self, box: Locator, text: str) -> None:
        """Change the text of a setting."""
        with self._a_run():
            box.fill(text)
            box.press("Control+Enter")

    def step(self, slider: Locator, key: str) -> None:
        with self._a_run():
            slider.press(key)

    def show_all_settings(self) -> None:
        """Unfold what lies in an expander of the sidebar."""
        folded = self.page.get_by_test_id("stSidebar").locator("details:not([open]) > summary")
        for summary in reversed(folded.all()):  # one that is open is counted no more
            summary.click()

    # --- waiting -------------------------------------------------------------------------------

    def wait_running(self) -> None:
        expect(self.key("stop")).to_be_visible()

    def wait_settled(self) -> None:
        """No script runs for this page."""
        expect(self.page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning"
        )

    @contextmanager
    def _a_run(self) -> Iterator[None]:
        """What is done here is drawn before anything else is done, however late it is begun.

        The page itself may show nothing of a short run; the end of each is told to it.
        """
        with self._socket.expect_event("framereceived", is_end_of_run):
            yield
        self.wait_settled()

    @contextmanager
    def sends(self) -> Iterator[None]:
        """Wait until something has left the browser."""
        with self._socket.expect_event("framesent"):
            yield

    @contextmanager
    def box_tells_of_no_files(self) -> Iterator[None]:
        """The box tells what it holds a moment after it changed, on its own."""
        with self._socket.expect_event("framesent", tells_of_no_files):
            yield
        self.wait_settled()

    def wait_done(self, timeout: float = 30_000) -> None:
        """No reply runs, and every answer has its row of actions."""
        expect(self.key("stop")).to_have_count(0, timeout=timeout)
        wait_until(self.page, _ROWS_ARE_THERE)
        self.wait_settled()

    def wait_word(self, place: int, timeout: float = 10_000) -> None:
        """Wait until the last answer shows the word at `place` of a numbered reply."""
        pattern = re.compile(rf"{word(place).strip()}(?!\d)")
        expect(self.answers.last).to_contain_text(pattern, timeout=timeout)

    # --- reading -------------------------------------------------------------------------------

    def last_answer_text(self) -> str:
        """What stands in the last answer right now, everything included."""
        return str(self.page.evaluate(_LAST_ANSWER))

    def shown_words(self) -> list[str]:
        """The words of a numbered reply in the last answer right now."""
        return _WORD.findall(self.last_answer_text())

    def copied(self, message_id: str | None = None) -> str:
        """Press Copy; what is on the clipboard then."""
        copy = self.key(f"copy_{message_id or self.answer_id}")
        copy.locator("button").click()
        expect(copy.get_by_text("Copied")).to_be_attached()
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def watch(self) -> list[str]:
        """From the next load on: whatever a numbered last answer shows beyond its beginning."""
        violations: list[str] = []
        self.page.expose_function("parleyViolation", lambda what: violations.append(what))
        self.page.add_init_script(_WATCH % numbered(5000))
        return violations

    def _wait_loaded(self) -> None:
        expect(self.composer).to_be_visible(timeout=30_000)
        expect(self.page.locator("html[data-parley-box]")).to_be_attached()
        # Settled, or following a reply.
        settled = self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
        expect(settled.or_(self.key("stop")).first).to_be_visible()

    def _from(self, role: str) -> Locator:
        label = self.page.locator(f'[aria-label="Chat message from {role}"]')
        return self.messages.filter(has=label)

"""Page object for the chat screen. Controls are located by widget key, messages by role."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.support.llm_server import word
from tests.support.websocket_frames import is_end_of_run, reports_no_files

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
# At every moment the page must show a prefix of the numbered reply that never gets shorter.
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
    else if (Date.now() > end) fail(new Error("timed out waiting for: CONDITION"))
    else setTimeout(look, 20)
  }
  look()
})"""


def wait_until(page: Page, condition: str, seconds: float = 30) -> None:
    """Wait until a JavaScript function returns true.

    Playwright's `wait_for_function` uses eval, which the Content-Security-Policy forbids.
    """
    quoted = condition.replace('"', "'").replace("\n", " ")
    page.evaluate(
        _UNTIL.replace('for: CONDITION"', f'for: {quoted}"').replace("CONDITION", condition),
        [seconds],
    )


def numbered(tokens: int) -> list[str]:
    """Return the words of the server's deterministic reply of `tokens` tokens."""
    return [word(place).strip() for place in range(tokens)]


def tokens_in(text: str) -> int:
    """Return the number in a text such as "≈ 1,234 tokens"."""
    (found,) = re.findall(r"([\d,]+) tokens", text)
    return int(found.replace(",", ""))


class Chat:
    """The chat screen of one browser tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        page.on("websocket", self._note_socket)
        self.composer = self.key("composer").locator("textarea")
        self.messages = page.get_by_test_id("stChatMessage")
        self.questions = self._from("user")
        self.answers = self._from("assistant")

    def _note_socket(self, socket: WebSocket) -> None:
        self._socket = socket

    # --- locators ------------------------------------------------------------------------------

    def key(self, key: str) -> Locator:
        return self.page.locator(f".st-key-{key}")

    def button(self, key: str) -> Locator:
        return self.key(key).locator("button").first

    def ids(self, kind: str) -> list[str]:
        """Return the ids in the widget keys `<kind>_<id>`, in page order."""
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
        """Return the id of the last message; its row of actions is drawn after its text."""
        expect(self.page.locator(f'[class*="st-key-{kind}_"]').first).to_be_attached()
        return self.ids(kind)[-1]

    # --- actions -------------------------------------------------------------------------------

    def open(self, conversation_id: str | None = None) -> None:
        """Load the app, as from a bookmark, and wait until it accepts input."""
        self.page.goto(f"{self.url}/?c={conversation_id}" if conversation_id else self.url)
        self._wait_loaded()

    def reload(self) -> None:
        self.page.reload()
        self._wait_loaded()

    def press(self, key: str) -> None:
        self.button(key).click()
        if key == "new_chat":  # wait until the old messages have disappeared
            expect(self.messages).to_have_count(0)

    def send(self, text: str) -> None:
        self.composer.fill(text)
        self.composer.press("Enter")

    def paste_file(self, name: str, data: bytes, media_type: str) -> None:
        """Paste a file, such as a screenshot, into the composer."""
        encoded = base64.b64encode(data).decode()
        self.page.evaluate(_PASTE, [[[name, media_type, encoded]], ""])
        expect(self.chip(name)).to_be_visible()

    def paste_text(self, text: str) -> None:
        """Paste text into the composer."""
        self.page.evaluate(_PASTE, [[], text])

    def paste_both(self, text: str, name: str, data: bytes, media_type: str) -> None:
        """Paste text together with a picture of it, as office programs copy them."""
        encoded = base64.b64encode(data).decode()
        self.page.evaluate(_PASTE, [[[name, media_type, encoded]], text])

    def attach(
        self, name: str, data: bytes, media_type: str = "", *, is_shown_as: str = ""
    ) -> None:
        """Attach a file with the file chooser of the composer."""
        file = {"name": name, "mimeType": media_type or "application/octet-stream", "buffer": data}
        self.key("composer").locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
        expect(self.chip(is_shown_as or name)).to_be_visible()

    def chip(self, name: str) -> Locator:
        """Locate the chip of a file in the composer."""
        return self.key("composer").get_by_test_id("stFileChip").filter(has_text=name)

    def waiting(self, name: str) -> Locator:
        """Locate the line above the composer that describes a pending file."""
        return self.page.locator('[class*="st-key-file_waiting_"]').filter(has_text=name)

    def wait_pending(self, name: str) -> None:
        """Wait until the line of a pending file shows its price or an error."""
        expect(self.waiting(name)).to_be_visible()

    def price(self, name: str) -> int:
        """Return the number of tokens shown for a pending file."""
        expect(self.waiting(name)).to_contain_text("tokens")
        return tokens_in(self.waiting(name).inner_text())

    def ask(self, text: str) -> str:
        """Send a message, wait for the complete reply and return the answer's id."""
        before = self.ids("retry")  # possibly of another conversation that is still displayed
        self.send(text)
        found = f"({_KEYS})('{_ID.format('retry')}')"
        wait_until(self.page, f"() => {found}.some((id) => !{json.dumps(before)}.includes(id))")
        self.wait_done()
        return self.answer_id

    def stop(self) -> None:
        self.press("stop")

    def edit(self, text: str, message_id: str | None = None) -> None:
        """Edit a question and send it."""
        message_id = message_id or self.question_id
        self.press(f"edit_{message_id}")
        self.key(f"edit_text_{message_id}").locator("textarea").fill(text)
        self.press(f"edit_send_{message_id}")

    def choose_model(self, model: str) -> None:
        """Type a model's id into the model selector."""
        box, label = self.key("model").locator("input"), f"{model.removeprefix('openai/')} · OpenAI"
        if box.input_value() != label:
            with self._script_run():  # a file pasted at the start of a run would be lost
                box.fill(model)
                box.press("Enter")
        expect(box).to_have_value(label)

    def fill(self, box: Locator, text: str) -> None:
        """Change the text of a setting and wait for the rerun."""
        with self._script_run():
            box.fill(text)
            box.press("Control+Enter")

    def step(self, slider: Locator, key: str) -> None:
        """Move a slider with a key and wait for the rerun."""
        with self._script_run():
            slider.press(key)

    def show_all_settings(self) -> None:
        """Open all expanders of the sidebar."""
        folded = self.page.get_by_test_id("stSidebar").locator("details:not([open]) > summary")
        for summary in reversed(folded.all()):  # an opened expander no longer matches the locator
            summary.click()

    # --- waiting -------------------------------------------------------------------------------

    def wait_running(self) -> None:
        expect(self.key("stop")).to_be_visible()

    def wait_settled(self) -> None:
        """Wait until no script runs for this page."""
        expect(self.page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning"
        )

    @contextmanager
    def _script_run(self) -> Iterator[None]:
        """Wait for a script run that the block triggers.

        A short run may leave no trace on the page, so its end is read from the websocket.
        """
        with self._socket.expect_event("framereceived", is_end_of_run):
            yield
        self.wait_settled()

    @contextmanager
    def sends(self) -> Iterator[None]:
        """Wait for a websocket frame that the block makes the browser send."""
        with self._socket.expect_event("framesent"):
            yield

    @contextmanager
    def composer_reports_no_files(self) -> Iterator[None]:
        """Wait until the composer reports, with a delay, that the block removed its files."""
        with self._socket.expect_event("framesent", reports_no_files):
            yield
        self.wait_settled()

    def wait_done(self, timeout: float = 30_000) -> None:
        """Wait until no reply runs and every answer has its row of actions."""
        expect(self.key("stop")).to_have_count(0, timeout=timeout)
        wait_until(self.page, _ROWS_ARE_THERE)
        self.wait_settled()

    def wait_word(self, place: int, timeout: float = 10_000) -> None:
        """Wait until the last answer shows the word at index `place` of a numbered reply."""
        pattern = re.compile(rf"{word(place).strip()}(?!\d)")
        expect(self.answers.last).to_contain_text(pattern, timeout=timeout)

    # --- reading -------------------------------------------------------------------------------

    def last_answer_text(self) -> str:
        """Return everything that the last answer shows now, including its actions."""
        return str(self.page.evaluate(_LAST_ANSWER))

    def shown_words(self) -> list[str]:
        """Return the words of a numbered reply that the last answer shows now."""
        return _WORD.findall(self.last_answer_text())

    def copied(self, message_id: str | None = None) -> str:
        """Press Copy and return the text on the clipboard."""
        copy = self.key(f"copy_{message_id or self.answer_id}")
        copy.locator("button").click()
        expect(copy.get_by_text("Copied")).to_be_attached()
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def watch(self) -> list[str]:
        """Record violations, from the next load on, of the rule at `_WATCH`; return the list."""
        violations: list[str] = []
        self.page.expose_function("parleyViolation", lambda what: violations.append(what))
        self.page.add_init_script(_WATCH % numbered(5000))
        return violations

    def _wait_loaded(self) -> None:
        expect(self.composer).to_be_visible(timeout=30_000)
        expect(self.page.locator("html[data-parley-box]")).to_be_attached()
        settled = self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
        expect(settled.or_(self.key("stop")).first).to_be_visible()

    def _from(self, role: str) -> Locator:
        label = self.page.locator(f'[aria-label="Chat message from {role}"]')
        return self.messages.filter(has=label)

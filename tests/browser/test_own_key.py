"""User's own API key: used in its tab only, never stored and never sent back to the browser."""

from __future__ import annotations

import re
import urllib.request

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.support.app_server import AppServer
from tests.support.browser_app import KEY
from tests.support.chat_page import Chat
from tests.support.databases import stored_bytes
from tests.support.llm_server import FAULTS, LLMServer, Script

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OWN_KEY = "canary-own-Tf3Wz8Be5Uy1Kx6Mo9"
_VALUES = """() => [...document.querySelectorAll("input, textarea")].map((each) => each.value)"""


class Frames:
    """Recorder for the frames of a page's websockets, from the next load on."""

    def __init__(self, page: Page) -> None:
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: self.sent.append(_bytes(payload)))
        socket.on("framereceived", lambda payload: self.received.append(_bytes(payload)))


def _bytes(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload


def test_own_key_is_never_sent_back_to_the_browser(
    chat: Chat, server: LLMServer, app: AppServer
) -> None:
    page, key = chat.page, OWN_KEY.encode()
    frames = Frames(page)
    chat.reload()
    chat.show_all_settings()
    box = chat.key("own_key").locator("input")
    expect(box).to_have_attribute("type", "password")
    box.fill(OWN_KEY)
    chat.press("use_own_key")
    expect(chat.key("own_state")).to_contain_text("OpenAI is in use in this tab")
    expect(box).to_have_value("")
    expect(chat.key("model").locator("input")).to_have_value(re.compile("OpenAI, your key$"))
    chat.wait_settled()
    assert any(key in frame for frame in frames.sent), "the key was not sent"
    frames.sent.clear()

    server.next(Script(text="answered with your key"), FAULTS["401"])
    chat.ask("hello")
    expect(chat.answers.last).to_contain_text("answered with your key")
    chat.ask("again")
    expect(chat.answers.last).to_contain_text("did not accept your own key")
    asked = [(seen.headers["host"], seen.headers["authorization"]) for seen in server.requests]
    assert asked == [("api.openai.com", f"Bearer {OWN_KEY}")] * 2
    chat.page.get_by_text("Details").last.click()
    expect(chat.answers.last).to_contain_text("[redacted]")

    for canary in (OWN_KEY, KEY):
        assert canary not in page.content()
        assert not any(canary in value for value in page.evaluate(_VALUES))
        assert not any(canary.encode() in frame for frame in frames.received)
        assert not any(canary.encode() in frame for frame in frames.sent), (
            "the key was sent a second time"
        )
        assert canary not in app.log()
        with urllib.request.urlopen(f"{app.url}/healthz", timeout=5) as answer:
            assert canary not in f"{answer.headers}{answer.read()!r}"
        assert not any(canary.encode() in data for data in stored_bytes(app.database_url))

    chat.reload()
    chat.send("are you still there?")
    expect(chat.key("notice")).to_contain_text("which is no longer available")
    expect(chat.composer).to_have_value("are you still there?")
    assert len(server.requests) == 2, "a message was sent without the key"


def test_own_key_can_be_removed(chat: Chat, server: LLMServer) -> None:
    chat.ask("first")  # stored with the server's model
    chat.show_all_settings()
    chat.key("own_key").locator("input").fill(OWN_KEY)
    chat.press("use_own_key")
    expect(chat.key("own_state")).to_be_visible()
    chat.press("forget_own_key")
    expect(chat.key("own_state")).to_have_count(0)
    chat.ask("hello")
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"

"""Two processes on one PostgreSQL behind a real proxy: apart for people, together for a reply.

Slow parts are done once: this is one scene, told in three tests in their order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, expect
from sqlalchemy.engine import URL

from tests.support.app_server import AppServer
from tests.support.browser_app import configured
from tests.support.chat_page import Chat, numbered
from tests.support.databases import postgres_database
from tests.support.llm_server import LLMServer, Script, text_of
from tests.support.proxy import COOKIE, Proxy

pytestmark = pytest.mark.browser
Gate = Callable[[], threading.Event]
Visit = Callable[..., Chat]
PLACES = ("one", "two")


@dataclass(frozen=True)
class Scene:
    proxy: Proxy
    apps: dict[str, AppServer]

    def writer(self, answer_id: str, status: str) -> str:
        """The process that says in its log how the reply ended, and no other does."""
        line = f"reply {answer_id} {status}"
        (place,) = (place for place, app in self.apps.items() if line in app.log())
        return place


@pytest.fixture(scope="module")
def scene(
    llm: LLMServer,
    postgres: URL,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    with ExitStack() as stack:
        url = stack.enter_context(postgres_database(postgres, migrated_template))
        config = configured(llm) | {"DATABASE_URL": url}
        apps = {place: AppServer(tmp_path_factory.mktemp(place), **config) for place in PLACES}
        for app in apps.values():
            stack.callback(app.kill)
        with ThreadPoolExecutor() as threads:
            list(threads.map(AppServer.start, apps.values()))
        ports = [app.port for app in apps.values()]
        yield Scene(stack.enter_context(Proxy(tmp_path_factory.mktemp("proxy"), *ports)), apps)


class Visitors:
    """Opens the app where the proxy's cookie leads to. All share a browser, which knows the app.

    A page that is open stays where it is, whatever the cookie says: only its socket counts.
    """

    def __init__(self, context: BrowserContext, visit: Visit, scene: Scene) -> None:
        self._context, self._visit, self._scene = context, visit, scene

    def somebody_new(self) -> None:
        self._context.clear_cookies()

    def lead_to(self, place: str) -> None:
        self._context.add_cookies([{"name": COOKIE, "value": place, "url": self._scene.proxy.url}])

    def place(self) -> str:
        (place,) = (each["value"] for each in self._context.cookies() if each["name"] == COOKIE)
        return place

    def open(self, conversation_id: str | None = None, at: str = "") -> Chat:
        if at:
            self.lead_to(at)
        return self._visit(conversation_id, context=self._context, app=self._scene.proxy)


@pytest.fixture
def visitors(shared_context: BrowserContext, visit: Visit, scene: Scene) -> Visitors:
    visitors = Visitors(shared_context, visit, scene)
    visitors.somebody_new()
    return visitors


def test_people_stay_with_their_process_and_see_nothing_of_others(
    scene: Scene, visitors: Visitors, server: LLMServer
) -> None:
    ann = visitors.open()
    own = visitors.place()
    answer_id = ann.ask("What is Ann's secret?")
    assert scene.writer(answer_id, "complete") == own
    visitors.somebody_new()
    other = next(place for place in PLACES if place != own)
    bob = visitors.open(ann.conversation_id, at=other)
    expect(bob.key("notice")).to_contain_text("does not exist")
    expect(bob.key("conversations")).not_to_contain_text("Ann's secret")
    assert visitors.place() == other


def test_a_reply_is_followed_and_stopped_from_the_other_process(
    scene: Scene, visitors: Visitors, server: LLMServer, gate: Gate
) -> None:
    server.next(Script(tokens=50, gate=gate(), gate_at=12))
    chat = visitors.open(at="one")
    chat.send("Count")
    chat.wait_word(11)
    other = visitors.open(chat.conversation_id, at="two")
    other.wait_word(11)
    other.stop()
    assert server.requests[-1].disconnected.wait(5), "the provider was not hung up on"
    for each in (other, chat):
        each.page.bring_to_front()
        each.wait_done()
        expect(each.answers.last).to_contain_text("Stopped")
        assert each.shown_words() == numbered(12)
    assert scene.writer(chat.answer_id, "stopped") == "one"


def test_when_a_process_is_killed_in_mid_reply_the_other_carries_on(
    scene: Scene, visitors: Visitors, server: LLMServer, gate: Gate
) -> None:
    server.next(Script(tokens=50, gate=gate(), gate_at=12))
    chat = visitors.open(at="one")
    chat.send("Count")
    chat.wait_word(11)
    other = visitors.open(chat.conversation_id, at="two")
    other.wait_word(11)  # it is in the database
    visitors.lead_to("one")
    scene.apps["one"].kill()
    for each in (other, chat):  # the page of the first finds its way by itself
        each.page.bring_to_front()
        expect(each.answers.last).to_contain_text("Interrupted", timeout=20_000)
        each.wait_done()
        assert each.shown_words() == numbered(12)
    assert visitors.place() == "two"
    server.next(Script(text=text_of(30)[len(text_of(12)) :]))
    chat.press(f"continue_{chat.answer_id}")
    chat.wait_word(29)
    chat.wait_done()
    assert chat.shown_words() == numbered(30)
    chat.ask("And again")
    assert "Traceback" not in scene.apps["two"].log()

"""Two processes on one PostgreSQL database behind a real proxy.

Visitors stay on one process; replies can be followed and stopped from both. The processes start
once, so the tests share their state and run in file order.
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

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Gate = Callable[[], threading.Event]
Visit = Callable[..., Chat]
PROCESSES = ("one", "two")


@dataclass(frozen=True)
class Deployment:
    proxy: Proxy
    apps: dict[str, AppServer]

    def writer(self, answer_id: str, status: str) -> str:
        """Return the process that logged the end of the reply; exactly one must have."""
        line = f"reply {answer_id} {status}"
        (process,) = (process for process, app in self.apps.items() if line in app.log())
        return process


@pytest.fixture(scope="module")
def deployment(
    llm: LLMServer,
    postgres: URL,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    with ExitStack() as stack:
        url = stack.enter_context(postgres_database(postgres, migrated_template))
        config = configured(llm) | {"DATABASE_URL": url}
        apps = {
            process: AppServer(tmp_path_factory.mktemp(process), **config) for process in PROCESSES
        }
        for app in apps.values():
            stack.callback(app.kill)
        with ThreadPoolExecutor() as threads:
            list(threads.map(AppServer.start, apps.values()))
        ports = [app.port for app in apps.values()]
        yield Deployment(stack.enter_context(Proxy(tmp_path_factory.mktemp("proxy"), *ports)), apps)


class Visitors:
    """Visitors that share a browser context for its cache.

    The proxy's cookie selects the process of the next page. An open page keeps its websocket.
    """

    def __init__(self, context: BrowserContext, visit: Visit, deployment: Deployment) -> None:
        self._context, self._visit, self._deployment = context, visit, deployment

    def become_new_visitor(self) -> None:
        self._context.clear_cookies()

    def select_process(self, process: str) -> None:
        self._context.add_cookies(
            [{"name": COOKIE, "value": process, "url": self._deployment.proxy.url}]
        )

    def process(self) -> str:
        (process,) = (each["value"] for each in self._context.cookies() if each["name"] == COOKIE)
        return process

    def open(self, conversation_id: str | None = None, at: str = "") -> Chat:
        if at:
            self.select_process(at)
        return self._visit(conversation_id, context=self._context, app=self._deployment.proxy)


@pytest.fixture
def visitors(shared_context: BrowserContext, visit: Visit, deployment: Deployment) -> Visitors:
    visitors = Visitors(shared_context, visit, deployment)
    visitors.become_new_visitor()
    return visitors


def test_visitors_are_isolated_and_stay_on_their_process(
    deployment: Deployment, visitors: Visitors, server: LLMServer
) -> None:
    ann = visitors.open()
    own = visitors.process()
    answer_id = ann.ask("What is Ann's secret?")
    assert deployment.writer(answer_id, "complete") == own
    visitors.become_new_visitor()
    other = next(process for process in PROCESSES if process != own)
    bob = visitors.open(ann.conversation_id, at=other)
    expect(bob.key("notice")).to_contain_text("does not exist")
    expect(bob.key("conversations")).not_to_contain_text("Ann's secret")
    assert visitors.process() == other


def test_reply_can_be_followed_and_stopped_from_the_other_process(
    deployment: Deployment, visitors: Visitors, server: LLMServer, gate: Gate
) -> None:
    server.next(Script(tokens=50, gate=gate(), gate_at=12))
    chat = visitors.open(at="one")
    chat.send("Count")
    chat.wait_word(11)
    other = visitors.open(chat.conversation_id, at="two")
    other.wait_word(11)
    other.stop()
    assert server.requests[-1].disconnected.wait(5), "the request to the provider is still open"
    for each in (other, chat):
        each.page.bring_to_front()
        each.wait_done()
        expect(each.answers.last).to_contain_text("Stopped")
        assert each.shown_words() == numbered(12)
    assert deployment.writer(chat.answer_id, "stopped") == "one"


def test_reply_can_be_continued_in_the_other_process_after_a_crash(
    deployment: Deployment, visitors: Visitors, server: LLMServer, gate: Gate
) -> None:
    server.next(Script(tokens=50, gate=gate(), gate_at=12))
    chat = visitors.open(at="one")
    chat.send("Count")
    chat.wait_word(11)
    other = visitors.open(chat.conversation_id, at="two")
    other.wait_word(11)  # the text is stored
    visitors.select_process("one")
    deployment.apps["one"].kill()
    for each in (other, chat):  # the first page reconnects
        each.page.bring_to_front()
        expect(each.answers.last).to_contain_text("Interrupted", timeout=20_000)
        each.wait_done()
        assert each.shown_words() == numbered(12)
    assert visitors.process() == "two"
    server.next(Script(text=text_of(30)[len(text_of(12)) :]))
    chat.press(f"continue_{chat.answer_id}")
    chat.wait_word(29)
    chat.wait_done()
    assert chat.shown_words() == numbered(30)
    chat.ask("And again")
    assert "Traceback" not in deployment.apps["two"].log()

"""Exfiltration and script injection: no message sends a request or executes code.

A listener on another port records requests. The tests run with and without the CSP.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from chat import open_chat
from tests.support.app_server import AppServer
from tests.support.browser_app import configured
from tests.support.chat_page import Chat, wait_until
from tests.support.listener import Listener
from tests.support.llm_server import LLMServer
from tests.support.page_watch import PageWatch
from tests.support.payloads import LEAKS, SCRIPTS, with_target
from tests.support.random_markdown import random_texts

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Chat]
AT_ONCE = 140  # payloads in one message


@pytest.fixture(scope="module")
def app(llm: LLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    limits = {"MAX_USER_MESSAGE_TOKENS": "200000", "MAX_HISTORY_TOKENS": "400000"}
    with AppServer(tmp_path_factory.mktemp("leaving"), **configured(llm), **limits) as app:
        yield app


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with closing(browser.new_context()) as context:
        yield context


@pytest.fixture
def context_without_csp(browser: Browser) -> Iterator[BrowserContext]:
    """A browser context that ignores the CSP: the sanitizer must suffice on its own."""
    with closing(browser.new_context(bypass_csp=True)) as context:
        yield context


@pytest.fixture
def payloads(listener: Listener) -> list[str]:
    """All payloads; the leaks address the listener alternately by IP address and by name."""
    listener.paths.clear()
    names = [f"127.0.0.1:{listener.port}", f"localhost:{listener.port}"]
    leaks = [with_target([leak], names[number % 2], number)[0] for number, leak in enumerate(LEAKS)]
    return [*leaks, *with_target(SCRIPTS, names[0], len(leaks))]


def shared_page(app: AppServer, texts: list[str]) -> str:
    """Return the link to a shared conversation with one message per text."""
    service = open_chat({"DATABASE_URL": app.database_url, "FIND_LOCAL_SERVERS": "false"})
    try:
        roles = ("user", "assistant")
        messages = [
            {"role": roles[number % 2], "content": text} for number, text in enumerate(texts)
        ]
        line = json.dumps({"messages": messages}).encode()
        report = service.as_owner("visitor:maker").transfer.import_(
            io.BytesIO(line), "messages.jsonl"
        )
        assert report.items, report.sentence
        (conversation,) = service.as_owner("visitor:maker").conversations.latest(1)
        _share, secret = service.as_owner("visitor:maker").sharing.create(conversation.id, None)
        return f"{app.url}/shared?s={secret}"
    finally:
        service.close()


def test_payloads_include_100_scripts_and_60_leaks() -> None:
    assert len({*SCRIPTS}) >= 100
    assert len({*LEAKS}) >= 60


def test_listener_and_policy_detect_violations(
    app: AppServer, listener: Listener, context: BrowserContext, context_without_csp: BrowserContext
) -> None:
    """Positive control: the other tests would detect a request or a violation."""
    address = f"http://127.0.0.1:{listener.port}"
    fetch = "async (url) => { await fetch(url, {mode: 'no-cors'}).catch(() => {}) }"
    draw = "(url) => { document.body.append(Object.assign(new Image(), {src: url})) }"
    page = context_without_csp.new_page()
    page.goto(f"{app.url}/_stcore/health")
    page.evaluate(fetch, f"{address}/fetched")
    listener.wait_for("/fetched")
    page.evaluate(draw, f"{address}/drawn")
    listener.wait_for("/drawn")
    listener.paths.clear()
    watch = PageWatch(context)
    page = context.new_page()
    page.goto(f"{app.url}/_stcore/health")
    page.evaluate(fetch, f"{address}/fetched")
    page.evaluate(draw, f"{address}/drawn")
    wait_until(page, "() => window.violations.length >= 2")
    assert listener.paths == []
    assert len(watch.errors) >= 2


def test_payloads_in_questions_and_replies_send_and_run_nothing(
    visit: Visit,
    context: BrowserContext,
    server: LLMServer,
    listener: Listener,
    payloads: list[str],
) -> None:
    watch = PageWatch(context)
    chat = visit(context=context)
    for first in range(0, len(payloads), AT_ONCE):
        chat.ask("\n\n".join(payloads[first : first + AT_ONCE]))  # the model echoes it
    sent = [request.body["messages"][-1]["content"] for request in server.requests]
    numbers = [number for number, leak in enumerate(LEAKS) if "ID" in leak]
    assert all(f"x{number}x" in "".join(sent) for number in numbers)
    watch.expect_no_injection()
    chat.reload()
    expect(chat.answers).to_have_count(len(sent))
    watch.expect_no_injection()
    watch.expect_no_errors()
    assert listener.paths == []


def test_payloads_in_history_send_and_run_nothing_without_the_policy(
    app: AppServer, context_without_csp: BrowserContext, listener: Listener, payloads: list[str]
) -> None:
    watch = PageWatch(context_without_csp)
    reader = Chat(context_without_csp.new_page(), app.url)
    reader.page.goto(shared_page(app, payloads))
    expect(reader.messages).to_have_count(len(payloads), timeout=30_000)
    reader.wait_settled()
    watch.expect_no_injection()
    reader.press("continue_shared")
    expect(reader.composer).to_be_visible()
    reader.wait_settled()
    watch.expect_no_injection()
    assert listener.paths == []


@pytest.mark.parametrize("has_policy", [True, False])
def test_random_texts_load_no_image_and_send_and_run_nothing(
    app: AppServer,
    context: BrowserContext,
    context_without_csp: BrowserContext,
    listener: Listener,
    has_policy: bool,
) -> None:
    listener.paths.clear()
    used = context if has_policy else context_without_csp
    watch = PageWatch(used)
    texts = random_texts(300, f"127.0.0.1:{listener.port}", seed=20 + has_policy)
    reader = Chat(used.new_page(), app.url)
    reader.page.goto(shared_page(app, texts))
    expect(reader.messages).to_have_count(len(texts), timeout=60_000)
    reader.wait_settled()
    expect(reader.messages.locator("img")).to_have_count(0)
    watch.expect_no_injection()
    assert listener.paths == []


NAME = (
    "![a](//HOST/n) <img src=//HOST/n onerror=alert(1)> :red[x] **b** $x$ [c](javascript:alert(1))"
)


def test_payloads_in_names_are_shown_as_text_and_send_nothing(
    visit: Visit, context_without_csp: BrowserContext, server: LLMServer, listener: Listener
) -> None:
    listener.paths.clear()
    name = NAME.replace("HOST", f"127.0.0.1:{listener.port}")
    watch = PageWatch(context_without_csp)
    chat = visit(context=context_without_csp)
    chat.choose_model(name)
    file = name.replace("/", "_") + ".csv"
    table = f"{name},b\n{name},<img src=//127.0.0.1:{listener.port}/n>\n".encode()
    chat.attach(file, table, is_shown_as=".csv")
    expect(chat.waiting(file)).to_contain_text("tokens")
    chat.ask(f"{name} needle")
    expect(chat.questions).to_contain_text(file)
    expect(chat.answers).to_contain_text(name)  # the model's name
    address, called = chat.conversation_id, f"<img src=//127.0.0.1:{listener.port}/n> :red[x] $x$"
    chat.press("manage")
    title = chat.key(f"rename_{address}").locator("input")
    title.fill(called)
    title.press("Enter")
    expect(chat.key(f"open_{address}")).to_contain_text(called)
    chat.press("share")
    link = chat.page.get_by_test_id("stCode").filter(has_text="/shared?s=").inner_text().strip()
    chat.page.keyboard.press("Escape")
    chat.press("search")
    chat.key("search_text").locator("input").fill("needle")
    expect(chat.key("conversations")).to_contain_text("**b** $x$ [c](javascript:alert(1)) needle")
    watch.expect_no_injection()
    chat.press("delete_conversation")
    chat.page.get_by_role("link", name="History").click()
    expect(chat.page.get_by_text(called)).to_be_visible()
    watch.expect_no_injection()
    watch.expect_no_errors()
    chat.press(f"restore_{address}")
    expect(chat.page.get_by_text("Trash is empty.")).to_be_visible()
    chat.page.goto(link)
    expect(chat.page.get_by_role("heading")).to_contain_text(called)
    watch.expect_no_injection()
    assert listener.paths == []

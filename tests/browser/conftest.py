"""Fixtures for browser tests: Chromium, the app, and a server in place of a model provider.

Each is started once per session. Every test is a new visitor in an empty browser context. A test
queues replies with `server.next(Script(…))`; a `gate` pauses a reply until the test sets it.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.support.app_server import ROOT, AppServer
from tests.support.browser_app import LIMIT, configured
from tests.support.chat_page import Chat
from tests.support.databases import postgres_database
from tests.support.llm_server import LLMServer
from tests.support.proxy import Proxy
from tests.support.speech_server import HELLO_WORLD
from tests.support.tls_server import TlsServer

RESULTS = ROOT / "test-results"
_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",  # plays "hello world" when opened
    f"--use-file-for-fake-audio-capture={HELLO_WORLD}%noloop",
]
_BROKEN = '[data-testid="stErrorElementStack"], [data-testid="stException"]'
_INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

expect.set_options(timeout=10_000)


_LONGEST = (
    "test_search",
    "test_reading",
    "test_files",
    "test_crash",
    "test_accessibility",
    "test_history",
    "test_sign_in",
    "test_exfiltration",
    "test_versions",
    "test_dictation",
    "test_provider_errors",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Browser tests run last: Playwright's event loop occupies this thread until the end.
    items.sort(key=lambda item: (item.get_closest_marker("browser") is not None, _place(item)))


def _place(item: pytest.Item) -> int:
    """Sort the longest files first, so that no worker starts one of them at the end."""
    name = item.path.stem
    return _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Iterator[None]:
    report = yield
    if report.when == "call" and report.failed:  # type: ignore[attr-defined]
        item.stash[_FAILED] = True
    return report


_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    installed = next(filter(None, map(shutil.which, _INSTALLED)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=installed, args=_OPTIONS)
        except PlaywrightError as error:
            pytest.fail(
                "The browser tests need Chromium or Chrome, and none could be started. Install "
                "one (for example: apt-get install chromium), or leave these tests out with "
                f'-m "not browser".\n{error}',
                pytrace=False,
            )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def llm() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def server(llm: LLMServer) -> LLMServer:
    """The test server, without recorded requests and queued scripts."""
    llm.reset()
    return llm


@pytest.fixture(scope="session", autouse=True)
def databases(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--database postgresql` give every app its own PostgreSQL database."""
    if request.config.getoption("--database") == "sqlite":
        yield
        return
    server = request.getfixturevalue("postgres")
    template = request.getfixturevalue("migrated_template")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            AppServer,
            "new_database",
            staticmethod(lambda _: stack.enter_context(postgres_database(server, template))),
        )
        yield


@pytest.fixture(scope="session")
def app(llm: LLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    config = configured(llm) | {"MAX_USER_MESSAGE_TOKENS": str(LIMIT), "LOCAL_ADMIN": "true"}
    port = urlsplit(llm.base_url).port
    assert port is not None
    # api.openai.com resolves to the test server, for users' own keys.
    with TlsServer(tmp_path_factory.mktemp("tls"), ["api.openai.com"], port) as tls:
        config |= {"HTTPS_PROXY": tls.proxy, "SSL_CERT_FILE": str(tls.authority)}
        with AppServer(tmp_path_factory.mktemp("app"), **config) as app:
            yield app


@pytest.fixture
def gate() -> Iterator[Callable[[], threading.Event]]:
    """Create events that pause replies; all are set at the end of the test."""
    made: list[threading.Event] = []

    def make() -> threading.Event:
        made.append(threading.Event())
        return made[-1]

    yield make
    for each in made:
        each.set()


@pytest.fixture(scope="session")
def shared_context(browser: Browser) -> Iterator[BrowserContext]:
    """A context shared by all tests for its HTTP cache, which halves the time of a page load."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def visit(
    browser: Browser, app: AppServer, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Chat]]:
    """Open the app as a new visitor, or with `beside=chat` in another tab of the same visitor."""
    opened: list[Page] = []
    contexts: list[BrowserContext] = []
    foreign_urls: list[str] = []
    policy_errors: list[str] = []
    page_errors: list[str] = []

    def open_app(
        conversation_id: str | None = None,
        *,
        beside: Chat | None = None,
        context: BrowserContext | None = None,
        app: AppServer | Proxy = app,
        is_watched: bool = False,
        **options: object,
    ) -> Chat:
        if beside is not None:
            context = beside.page.context
        elif context is None:
            context = browser.new_context(**options)  # type: ignore[arg-type]
            contexts.append(context)
        page = context.new_page()
        opened.append(page)
        page.on("request", lambda request: _note_foreign(request.url, foreign_urls))
        page.on("console", lambda message: _note_policy_error(message.text, policy_errors))
        page.on("pageerror", lambda error: page_errors.append(f"{error.message}\n{error.stack}"))
        chat = Chat(page, app.url)
        if is_watched:
            violations = chat.watch()
            request.addfinalizer(lambda: _expect_none(violations))
        chat.open(conversation_id)
        return chat

    yield open_app
    if request.node.stash.get(_FAILED, False):
        _save_artifacts(request.node.name, opened, app, page_errors)
    still_open = [page for page in opened if not page.is_closed()]
    broken = [page.locator(_BROKEN).all_inner_texts() for page in still_open]
    for page in opened:
        page.close()
    for each in contexts:
        each.close()
    assert policy_errors == [], "the page violates its own policy"
    assert foreign_urls == [], "the page sends requests to other hosts"
    assert not any(broken), "a component failed in the browser"


@pytest.fixture
def chat(visit: Callable[..., Chat], shared_context: BrowserContext, server: LLMServer) -> Chat:
    """The app in the browser of a new visitor."""
    shared_context.clear_cookies()
    chat: Chat = visit(context=shared_context)
    return chat


@pytest.fixture
def watched_chat(
    visit: Callable[..., Chat], shared_context: BrowserContext, server: LLMServer
) -> Chat:
    """Like `chat`; fails if the last answer is ever not a growing prefix of a numbered reply."""
    shared_context.clear_cookies()
    chat: Chat = visit(context=shared_context, is_watched=True)
    return chat


def _note_foreign(url: str, foreign_urls: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname not in {
        "localhost",
        "127.0.0.1",
    }:
        foreign_urls.append(url)


def _note_policy_error(message: str, policy_errors: list[str]) -> None:
    if "Content Security Policy" in message or "Permissions-Policy" in message:
        policy_errors.append(message)


def _expect_none(violations: list[str]) -> None:
    assert violations == [], f"{len(violations)} violations, first: {violations[:3]}"


def _save_artifacts(name: str, pages: list[Page], app: AppServer, page_errors: list[str]) -> None:
    folder = RESULTS / "".join(c if c.isalnum() else "-" for c in name)[:80]
    folder.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(pages):
        try:
            page.screenshot(path=folder / f"page-{number}.png")
        except PlaywrightError:
            continue
    Path(folder / "app.log").write_text(app.log(), "utf-8")
    Path(folder / "page-errors.txt").write_text("\n\n".join(page_errors), "utf-8")

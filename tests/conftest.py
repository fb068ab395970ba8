"""What tests share: an empty database of each kind, a service with a scripted provider."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from chat import ChatService, open_chat
from chat.domain.message import Usage
from chat.providers.base import Delta, Model, Request
from chat.store import Store
from tests.databases import postgres_database, postgres_server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="what tests run on that are not run on both: those with a browser, and some others",
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "parley.db"
    Store(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def migrated_template(postgres: URL) -> Iterator[str]:
    with postgres_database(postgres) as url:
        Store(url).close()
        yield str(make_url(url).database)


@pytest.fixture
def any_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of the one kind that `--database` names."""
    if request.config.getoption("--database") == "sqlite":
        yield f"sqlite:///{tmp_path / 'parley.db'}"
        return
    template = request.getfixturevalue("migrated_template")
    with postgres_database(request.getfixturevalue("postgres"), template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database, migrated; every test that asks for one runs on both kinds."""
    kind = request.param
    if kind == "any":  # one is enough
        kind = request.config.getoption("--database")
    if kind == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "parley.db")
        yield f"sqlite:///{tmp_path / 'parley.db'}"
        return
    template = request.getfixturevalue("migrated_template")
    with postgres_database(request.getfixturevalue("postgres"), template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table, of both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'parley.db'}"
        return
    with postgres_database(request.getfixturevalue("postgres")) as url:
        yield url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


class ScriptedProvider:
    """A provider whose replies are written by the test; it stands where the network begins.

    With `hold()` the next replies wait before piece `at` until `let_go()`.
    """

    name, label = "scripted", "Scripted"

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.replies: list[list[Delta | Exception]] = []
        self.closed = 0
        self.held = threading.Event()  # set when a reply waits at the gate
        self._hold_at: int | None = None
        self._go = threading.Event()

    def models(self) -> tuple[Model, ...]:
        return (
            Model("scripted", "one", window_tokens=8000),
            Model("scripted", "two", window_tokens=None),
        )

    def say(self, *replies: str | list[Delta | Exception]) -> None:
        """The next replies: a text (streamed by words), or pieces and the error that ends them."""
        for reply in replies:
            self.replies.append(_deltas(reply) if isinstance(reply, str) else reply)

    def hold(self, at: int = 0) -> None:
        self._hold_at = at
        self._go.clear()
        self.held.clear()

    def let_go(self) -> None:
        self._hold_at = None
        self._go.set()

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        self.requests.append(request)
        pieces = self.replies.pop(0) if self.replies else _deltas("Hello there.")
        try:
            for number, piece in enumerate(pieces):
                if number == self._hold_at:
                    self.held.set()
                    while not self._go.is_set():
                        await _until(self._go)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed += 1

    async def discover(self) -> None:
        return None

    async def close(self) -> None:
        return None


async def _until(event: threading.Event) -> None:
    await asyncio.get_running_loop().run_in_executor(None, event.wait, 0.05)


def _deltas(text: str) -> list[Delta | Exception]:
    words: list[Delta | Exception] = [Delta(text=f"{word} ") for word in text.split()]
    if words:
        words[-1] = Delta(text=text.split()[-1])
    return [*words, Delta(finish_reason="stop", usage=Usage(10, len(words), True))]


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def make_service(
    database_url: str, provider: ScriptedProvider
) -> Iterator[Callable[..., ChatService]]:
    opened: list[ChatService] = []

    def make(**config: object) -> ChatService:
        service = open_chat({"DATABASE_URL": database_url, **config}, providers=[provider])
        opened.append(service)
        return service

    yield make
    provider.let_go()
    for service in opened:
        service.close()


@pytest.fixture
def service(make_service: Callable[..., ChatService]) -> ChatService:
    return make_service()

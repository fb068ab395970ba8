"""Fixtures for all tests: databases of both kinds, and services with a scripted provider."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy.engine import URL, make_url

from chat import ChatService, open_chat
from chat.store import Store
from tests.support.databases import postgres_database, postgres_server
from tests.support.scripted_provider import ScriptedProvider

# Example times depend on the load of the machine.
settings.register_profile("parley", deadline=None)
settings.load_profile("parley")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="the database of tests that run on one kind only, such as browser tests",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by database.

    Tests above the store run on SQLite in `make test`; on PostgreSQL they are slow. Those that
    use the database selected by `--database` are marked, to run them again on PostgreSQL.
    """
    for item in items:
        callspec = getattr(item, "callspec", None)
        kinds = set(map(str, callspec.params.values())) if callspec else set()
        if "postgres" in kinds:
            item.add_marker(pytest.mark.postgres)
            if item.path.parent.name != "store":
                item.add_marker(pytest.mark.slow)
        fixtures = getattr(item, "fixturenames", ())
        if "any" in kinds or "any_database_url" in fixtures or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.any_database)


def pytest_collection_finish() -> None:
    # The modules and tests collected so far stay alive, so the garbage collector may skip them.
    gc.freeze()


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
    """URL of a new database of the kind selected by `--database`."""
    if request.config.getoption("--database") == "sqlite":
        yield f"sqlite:///{tmp_path / 'parley.db'}"
        return
    template = request.getfixturevalue("migrated_template")
    with postgres_database(request.getfixturevalue("postgres"), template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a new, migrated database. Tests that use it run once on each kind."""
    kind = request.param
    if kind == "any":  # see `on_one_database`
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
    """URL of a database without tables. Tests that use it run once on each kind."""
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
    provider.release()
    for service in opened:
        service.close()


@pytest.fixture
def service(make_service: Callable[..., ChatService]) -> ChatService:
    return make_service()

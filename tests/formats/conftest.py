"""A store for the tests of formats, on both databases and emptied after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.store import Store
from chat.store.transfer import PortableStore
from tests.support.databases import postgres_database
from tests.support.portable_samples import empty_store


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A migrated database per module, because creating one takes half a second."""
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path_factory.mktemp('portable') / 'parley.db'}")
        yield store
        store.close()
        return
    with postgres_database(request.getfixturevalue("postgres")) as url:
        store = Store(url)
        yield store
        store.close()


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    yield database
    empty_store(database)


@pytest.fixture
def portable(store: Store) -> PortableStore:
    return PortableStore(store.engine)

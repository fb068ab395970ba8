"""Fixtures for the tests of attachments."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from chat.attachments.reading import FileReader
from chat.config.settings import Settings


@pytest.fixture(scope="module")
def reader() -> FileReader:
    return FileReader(Settings(values={}))


def _max_memory_mb() -> float:
    if sys.platform == "win32":
        return 0
    import resource

    max_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max_rss / (1_000_000 if sys.platform == "darwin" else 1_000)


@pytest.fixture
def _bounded_memory() -> Iterator[None]:
    """Fail the test if it raises the peak memory of this process by 200 MB."""
    before = _max_memory_mb()
    yield
    assert _max_memory_mb() - before < 200

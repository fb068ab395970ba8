"""Tests for the price of attached files in tokens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.attachments.reader_slots import OnWait
from chat.attachments.reading import FileReader, ParsedFile
from chat.attachments.token_cost import AttachmentPricer
from chat.config.settings import Settings
from chat.domain.attachment import File, FileKind
from chat.domain.token_estimate import TokenCount
from chat.providers.tokenizer import Tokenizer


class InProcessReader(FileReader):
    """Decode text files in this process instead of the sandbox."""

    def read(self, file: File, owner: str, on_wait: OnWait = lambda: None) -> ParsedFile:
        text = file.data.decode()
        return ParsedFile(
            file.name, FileKind.DOCUMENT, "text/plain", "text", file.data, text, "", "1 line"
        )


class CountingTokenizer(Tokenizer):
    """Count one token per file and record the texts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def count(self, text: str) -> TokenCount:
        self.texts.append(text)
        return TokenCount(1, is_exact=True)


@pytest.fixture
def frequent_thread_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_token_counts_are_cached(settings: Settings) -> None:
    tokenizer = CountingTokenizer()
    pricer = AttachmentPricer(settings, tokenizer, InProcessReader(settings))
    for _ in range(3):
        (price,) = pricer.price([File("a.txt", b"a text")], room=100, owner="me")
    assert price.tokens == 1
    assert len(tokenizer.texts) == 1


@pytest.mark.usefixtures("frequent_thread_switches")
def test_threads_share_the_cache_of_token_counts(settings: Settings) -> None:
    pricer = AttachmentPricer(settings, CountingTokenizer(), InProcessReader(settings))

    def price_many(worker: int) -> None:
        for number in range(1_000):
            pricer.price(
                [File("a.txt", b"%d of worker %d" % (number, worker))], room=100, owner="me"
            )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(price_many, range(8)))


@pytest.fixture
def settings() -> Settings:
    return Settings(values={})

"""Tests for the progress, cancellation and memory use of an import."""

from __future__ import annotations

import json
import tracemalloc
from io import BytesIO
from typing import Any, BinaryIO

import pytest

from chat.formats.conversation import PortableConversation
from chat.formats.import_report import ImportOutcome
from chat.formats.importing.detect import read_conversations
from chat.formats.importing.importer import import_file
from chat.store.transfer import PortableStore
from tests.support import chatgpt_samples as samples
from tests.support.import_samples import (
    CHATGPT_EXPORT,
    ME,
    NOW,
    import_checks,
    json_bytes,
    outcomes,
    parley_export,
)


class LargeExport(BytesIO):
    """A large list of conversations, generated while it is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        tree = samples.deep(40)
        for node in tree.mapping.values():
            if node["message"]:
                node["message"]["content"]["parts"][0] += "words " * 500
        self._item = json.dumps(tree.to_json()).encode() + b",\n"
        self._size, self._at = size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = self._size if whence == 2 else offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        count = min(size or 0, self._size - self._at)
        start, self._at = self._at, self._at + count
        if not count:
            return b""
        if start == 0:
            return (b"[" + self._item * (count // len(self._item) + 1))[:count]
        start = (start - 1) % len(self._item)
        return (self._item * (count // len(self._item) + 2))[start : start + count]


@pytest.mark.slow
def test_large_export_is_streamed_in_bounded_memory() -> None:
    size, count, seen = 16_000_000, 0, []
    tracemalloc.start()
    for item in read_conversations(
        LargeExport(size), "large", NOW, lambda done, total: seen.append(done)
    ):
        count += isinstance(item, PortableConversation)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 90
    assert peak < 12_000_000
    assert seen == sorted(seen)
    assert seen[-1] == size


def test_cancelled_import_keeps_merged_conversations(portable: PortableStore) -> None:
    trees = [samples.simple(f"id-{number}") for number in range(5)]
    checks = import_checks()
    done: list[ImportOutcome] = []

    def merge(conversation: PortableConversation) -> Any:
        report = portable.merge(ME, conversation, checks)
        done.append(report.outcome)
        return report

    file: BinaryIO = BytesIO(samples.export(*trees))
    report = import_file(file, "x.json", merge, is_cancelled=lambda: len(done) == 2)
    assert report.is_cancelled
    assert outcomes(report) == ["added", "added"]
    assert len(portable.ids(ME)) == 2
    assert report.sentence == "2 added; cancelled before the end."


def test_progress_ends_at_the_total(portable: PortableStore) -> None:
    for data in (
        CHATGPT_EXPORT,
        samples.archive({"conversations.json": CHATGPT_EXPORT}),
        json_bytes(parley_export()),
        b"",
    ):
        progress: list[tuple[int, int]] = []
        import_file(
            BytesIO(data),
            "x",
            lambda conversation: portable.merge(ME, conversation, import_checks()),
            on_progress=lambda *values: progress.append(values),  # noqa: B023
        )
        assert progress == sorted(progress)
        assert progress[-1][0] == progress[-1][1]

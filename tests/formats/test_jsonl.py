"""Tests for the import of JSON Lines and its detection."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from chat.formats.conversation import PortableConversation
from chat.formats.import_report import ImportOutcome
from chat.formats.importing.detect import RejectedItem, read_conversations
from chat.formats.importing.json_stream import JsonLimits
from chat.store.transfer import PortableStore
from tests.support import chatgpt_samples as samples
from tests.support.import_samples import (
    JSONL_LINE,
    ME,
    NOW,
    import_data,
    json_bytes,
    outcomes,
    parley_export,
    parse,
    parse_one,
)

GOOD_LINES = [
    json_bytes({"messages": [{"role": "user", "content": word}]}) for word in ("One", "Two")
]


def test_each_line_is_a_conversation(portable: PortableStore) -> None:
    other = {"messages": [{"role": "user", "content": "Only a question"}]}
    lines = b"\n".join(
        (json_bytes(JSONL_LINE), b"", json_bytes(other), b"{broken}", json_bytes(JSONL_LINE))
    )
    report = import_data(portable, lines, name="data.jsonl")
    assert sorted(outcomes(report)) == ["added", "added", "refused", "unchanged"]
    assert "line 4" in next(
        item.title for item in report.items if item.outcome is ImportOutcome.REFUSED
    )
    assert outcomes(import_data(portable, lines)).count("unchanged") == 3
    first = portable.load(ME, report.items[0].conversation_id or "")
    assert first.conversation.settings.system_prompt == "Be brief."
    texts = [node.message.text for node in first.nodes]
    assert texts == ["Hi\n\n[Image, not included]", "Hello."]
    assert report.items[0].notes == (
        "1 message of tools was left out.",
        "1 message without any text was left out.",
    )


def test_single_line_is_json_lines() -> None:
    assert len(parse_one(json_bytes(JSONL_LINE)).nodes) == 2


@pytest.mark.parametrize(
    ("message", "note"),
    [
        ({"role": "tool", "content": "42"}, "1 message of tools was left out."),
        ({"role": "function", "content": "42"}, "1 message of tools was left out."),
        ({"role": "assistant", "content": None}, "1 message without any text was left out."),
        ({"role": "robot", "content": "x"}, "1 message of the unknown role “robot” was left out."),
        ({"content": "x"}, "1 message without a role was left out."),
        (None, "1 message that cannot be read was left out."),
        ("words", "1 message that cannot be read was left out."),
    ],
)
def test_skipped_messages_are_reported(message: Any, note: str) -> None:
    question = {"role": "user", "content": "Hi"}
    assert parse_one(json_bytes({"messages": [question, message]})).notes == (note,)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"not json", "invalid JSON"),
        (b"[1,2]", "a list"),
        (b"[1,2", "ends in the middle"),
        (b"null", "empty (null)"),
        (b'"words"', "a text"),
        (b"17", "a number"),
        (b"{}", "not supported"),
        (b'{"messages": []}', "no question"),
        (b'{"messages": [{"role": "user", "con', "ends in the middle"),
        (b'{"messages": [{"role": "user", "content": "x"},', "ends in the middle"),
        (b'{"messages": [', "ends in the middle"),
        (b'{"messages": [{"role": "user", "content": "' + b"x" * 100_000, "ends in the middle"),
        (GOOD_LINES[0].replace(b"One", b"Three") + b" and more", "invalid JSON"),
        (b"\x89PNG\r", "invalid JSON"),
    ],
    ids=lambda value: repr(value[:30]),
)
@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bad_line_is_rejected_alone(bad: bytes, reason: str, index: int, mark: bytes) -> None:
    lines = [*GOOD_LINES[:index], bad, *GOOD_LINES[index:]]
    items = parse(mark + b"\n\n".join(lines))
    texts = [item.nodes[0].message.text for item in items if isinstance(item, PortableConversation)]
    assert [text for text in texts if text != "Three"] == ["One", "Two"]
    (rejection,) = [item for item in items if isinstance(item, RejectedItem)]
    assert reason in rejection.sentence
    assert rejection.title == f"a file, line {2 * index + 1}"


def test_bad_lines_at_the_beginning_are_rejected_alone() -> None:
    items = parse(b"\n".join((b"[1,2]", b"nothing", b'{"messages": [', *GOOD_LINES)))
    assert [type(item) for item in items] == [RejectedItem] * 3 + [PortableConversation] * 2


def test_bad_line_before_a_long_line_is_rejected_alone() -> None:
    long = json_bytes({"messages": [{"role": "user", "content": "x" * 100_000}]})
    for bad in (b"[1,2]", b"not json", b'{"messages": ['):
        items = parse(b"\n".join((bad, long)))
        assert [type(item) for item in items] == [RejectedItem, PortableConversation]


@pytest.mark.parametrize("word", [b"true", b"-1.5e+10", b'"\\u00e4\\\\"', '"日本"'.encode()])
def test_document_is_detected_if_chunk_ends_inside_a_token(word: bytes) -> None:
    start = b'[\n{"x": "'
    for cut in range(1, len(word) + 1):
        padding = b"x" * (65_536 - len(start) - len(b'", "y": ') - cut)
        data = start + padding + b'", "y": ' + word + b"},\n" + GOOD_LINES[0] + b"\n]"
        assert data.index(word) + cut == 65_536
        assert [type(item) for item in parse(data)] == [RejectedItem, PortableConversation]


def test_multiline_document_is_not_json_lines() -> None:
    value = json.loads(samples.export(samples.simple(), samples.thinking()))
    for indent in (None, 0, 2):
        text = json.dumps(value, indent=indent).encode()
        assert [type(item) for item in parse(text)] == [PortableConversation] * 2
        assert [type(item) for item in parse(text[:-200])] == [PortableConversation, RejectedItem]
        alone = json.dumps(parley_export(), indent=indent).encode()
        assert len(parse_one(alone).nodes) == 2
        assert [type(item) for item in parse(alone + b"\n}")] == [
            PortableConversation,
            RejectedItem,
        ]
        assert [type(item) for item in parse(alone.replace(b"user", b'us"er'))] == [RejectedItem]
    rows = b"[\n" + b",\n".join(json.dumps(item).encode() for item in value) + b"\n]\n"
    assert [type(item) for item in parse(rows)] == [PortableConversation] * 2


def test_oversized_line_is_rejected_once() -> None:
    long = json_bytes({"messages": [{"role": "user", "content": "x" * 300_000}]})
    for lines in ([long, *GOOD_LINES], [GOOD_LINES[0], long, GOOD_LINES[1]]):
        items = parse(b"\n".join(lines), JsonLimits(size=50_000))
        assert [type(item) for item in items].count(PortableConversation) == 2
        (rejection,) = [item for item in items if isinstance(item, RejectedItem)]
        assert "too large" in rejection.sentence
        assert rejection.title == f"a file, line {lines.index(long) + 1}"


def test_progress_never_decreases_when_lines_are_reread() -> None:
    progress: list[int] = []
    text = b'{"messages": [\n' + GOOD_LINES[0] + b"," + b" " * 300_000 + b"\n" + GOOD_LINES[1]
    items = list(
        read_conversations(BytesIO(text), "x", NOW, lambda done, total: progress.append(done))
    )
    assert sum(isinstance(item, PortableConversation) for item in items) == 2
    assert progress == sorted(progress)
    assert progress[-1] == len(text)


def test_null_among_conversations_is_rejected_as_null() -> None:
    data = samples.export(samples.simple())
    items = parse(b"[null, " + data[1:])
    assert items[0].sentence == "It is empty (null), not a conversation."
    assert len(items) == 2

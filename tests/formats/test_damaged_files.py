"""Tests that damaged and malicious import files are rejected with a sentence."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.formats.conversation import PortableConversation
from chat.formats.importing import json_stream
from chat.formats.importing.detect import FileNote, RejectedItem
from chat.formats.importing.json_stream import JsonLimits
from chat.store.transfer import PortableStore
from tests.support import chatgpt_samples as samples
from tests.support.import_samples import (
    CHATGPT_EXPORT,
    JSONL_LINE,
    import_data,
    json_bytes,
    outcomes,
    parley_export,
    parse,
    parse_one,
    rejection_sentences,
    visible_messages,
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   \n ",
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        b"[]",
        b"{}",
        b"[[]]",
        b'[1, null, "x"]',
        b"{",
        b"[",
        b"[{",
        b"{}{}",
        b'{"mapping": 5}',
        b'{"mapping": {}}',
        b'{"messages": []}',
        b'{"format": "parley.conversation"}',
        b'{"format": "parley.conversation", "version": 1, "messages": {}}',
        b"\xff\xfe[\x00]\x00",
        b"PK\x03\x04",
        b"PK\x05\x06" + b"\0" * 18,
        b"PK\x03\x04" + b"x" * 5000,
        samples.archive({"holiday.jpg": b"x"}),
        samples.archive({"conversations.json": b""}),
        samples.archive({"conversations.json": b"\x00\x01"}),
        b"9" * 100_000,
        b"[" + b"9" * 100_000 + b"]",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_unsupported_file_is_rejected_with_a_sentence(data: bytes) -> None:
    sentences = rejection_sentences(data)
    assert sentences
    assert all(sentence.endswith(".") for sentence in sentences)


def test_complete_conversations_of_a_truncated_file_are_imported(portable: PortableStore) -> None:
    data = samples.export(samples.simple(), samples.thinking())
    report = import_data(portable, data[:-200])
    assert outcomes(report) == ["added", "refused"]
    assert "ends in the middle" in report.items[1].sentence


def test_invalid_utf8_is_replaced() -> None:
    conversation = parse_one(CHATGPT_EXPORT.replace(b"An apple", b"An \xff\xfeapple"))
    assert conversation.nodes[-1].message.text == "An \ufffd\ufffdapple."
    assert parse_one(b"\xef\xbb\xbf" + CHATGPT_EXPORT).conversation.title == "Fruit"


def test_nul_and_lone_surrogates_are_replaced(portable: PortableStore) -> None:
    tree = samples.simple(title="a\0b\ud800")
    tree.mapping["a1"]["message"]["content"]["parts"] = ["x\0y\ud800z"]
    assert outcomes(import_data(portable, samples.export(tree))) == ["added"]
    assert "\0" not in visible_messages(portable)[-1].text


def test_oversized_conversation_is_skipped() -> None:
    large = samples.deep(900, "large")
    data = samples.export(samples.simple(), large, samples.thinking())
    limits = JsonLimits(size=200_000)
    assert [type(item) for item in parse(data, limits)] == [
        PortableConversation,
        RejectedItem,
        PortableConversation,
    ]
    finely = b'[{"title": "Fine", "mapping": [' + b"[]," * 5000 + b"[]]}, " + CHATGPT_EXPORT[1:]
    items = parse(finely, JsonLimits(values=1000))
    assert [type(item) for item in items] == [RejectedItem, PortableConversation]
    assert items[0].title == "Fine"
    nested = b'[{"x": ' + b"[" * 500 + b"]" * 500 + b"}, " + CHATGPT_EXPORT[1:]
    assert [type(item) for item in parse(nested)] == [RejectedItem, PortableConversation]


def test_endless_string_ends_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_BYTES_WITHOUT_VALUE", 300_000)
    data = CHATGPT_EXPORT[:-1] + b', {"title": "' + b"x" * 1_000_000 + b'"}]'
    items = parse(data)
    assert [type(item) for item in items] == [PortableConversation, RejectedItem]


def test_archive_entries_with_unsafe_names_are_skipped() -> None:
    data = samples.archive(
        {
            "../conversations.json": CHATGPT_EXPORT,
            "/etc/conversations.json": CHATGPT_EXPORT,
            "C:\\conversations.json": CHATGPT_EXPORT,
            "a/../../conversations-000.json": CHATGPT_EXPORT,
            "inner.zip": samples.archive({"conversations.json": CHATGPT_EXPORT}),
        }
    )
    items = parse(data)
    assert not any(isinstance(item, PortableConversation) for item in items)
    sentences = " ".join(item.sentence for item in items)
    assert "unsafe names" in sentences
    assert "inside the archive" in sentences


def test_archive_entry_with_false_size_is_rejected() -> None:
    data = bytearray(samples.archive({"conversations.json": CHATGPT_EXPORT}))
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 10)
    assert isinstance(parse(bytes(data))[-1], RejectedItem)
    struct.pack_into(
        "<I", data, directory + 24, 2_000_000_000
    )  # reading stops at the end of the data
    assert len(parse(bytes(data))) == 1


def test_archive_above_total_size_is_rejected() -> None:
    data = bytearray(
        samples.archive({f"conversations-{number:03}.json": CHATGPT_EXPORT for number in (0, 1)})
    )
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", data, at + 24, 0xF0000000)
        at = data.find(b"PK\x01\x02", at + 4)
    assert "more than 4 GB" in rejection_sentences(bytes(data))[0]


def test_archive_with_oversized_directory_is_rejected() -> None:
    data = bytearray(samples.archive({"conversations.json": CHATGPT_EXPORT}))
    end = data.rfind(b"PK\x05\x06")
    struct.pack_into("<I", data, end + 12, 0x70000000)
    assert "more entries" in rejection_sentences(bytes(data))[0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_random_damage_never_raises(data: st.DataObject) -> None:
    files = (
        CHATGPT_EXPORT,
        samples.archive({"conversations.json": CHATGPT_EXPORT, "x.zip": b"PK"}),
        json_bytes(parley_export()),
        json_bytes(JSONL_LINE) + b"\n" + json_bytes(JSONL_LINE),
    )
    raw = bytearray(data.draw(st.sampled_from(files)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    for item in parse(bytes(raw)):
        assert isinstance(item, (PortableConversation, RejectedItem, FileNote))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["user", "assistant", "text", "thoughts", "code", "id", "q1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def fields(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and the key of every field of a JSON value."""
    stack = [value]
    while stack:
        container = stack.pop()
        keys: Any = container if isinstance(container, dict) else range(len(container))
        for key in keys:
            yield container, key
            if isinstance(container[key], (dict, list)):
                stack.append(container[key])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_wrong_types_never_raise(data: st.DataObject) -> None:
    make: list[Callable[[], Any]] = [
        lambda: [samples.thinking().to_json()],
        lambda: [samples.media().to_json()],
        lambda: parley_export(
            settings={"model": "a/b", "temperature": 1},
            clear_marks=[{"message_id": "1", "created_at": "2026-01-01"}],
            contents={"0" * 64: "aGk="},
        ),
        lambda: json.loads(json.dumps(JSONL_LINE)),
    ]
    value = data.draw(st.sampled_from(make))()
    for _ in range(data.draw(st.integers(1, 3))):
        holder, name = data.draw(st.sampled_from(list(fields(value))))
        holder[name] = data.draw(JSON)
    for item in parse(json_bytes(value)):
        assert isinstance(item, (PortableConversation, RejectedItem))

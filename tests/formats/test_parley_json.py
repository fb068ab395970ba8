"""Tests for importing Parley's JSON format with invalid fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from chat.domain.message import Status
from chat.store.transfer import PortableStore
from tests.support.import_samples import (
    ME,
    import_data,
    json_bytes,
    outcomes,
    parley_export,
    parse_one,
    rejection_sentences,
    visible_messages,
)


def test_streaming_answer_is_imported_as_interrupted(portable: PortableStore) -> None:
    value = parley_export()
    value["messages"][1]["status"] = "streaming"
    import_data(portable, json_bytes(value))
    assert visible_messages(portable)[-1].status is Status.INTERRUPTED


def test_invalid_settings_are_dropped_and_reported() -> None:
    strange = {
        "model": 5,
        "temperature": 99,
        "max_reply_tokens": -3,
        "system_prompt": ["x"],
        "base_url": "http://evil.example",
    }
    conversation = parse_one(json_bytes(parley_export(settings=strange)))
    chosen = conversation.conversation.settings
    assert (chosen.model, chosen.temperature, chosen.max_reply_tokens) == (None, None, None)
    assert chosen.system_prompt == ""
    assert len(conversation.notes) == 5
    kept = {"model": "a/b", "temperature": 0, "system_prompt": "", "max_reply_tokens": None}
    assert parse_one(json_bytes(parley_export(settings=kept))).notes == ()


def test_newer_format_version_is_rejected() -> None:
    assert "newer version of Parley" in rejection_sentences(json_bytes(parley_export(version=2)))[0]


def test_ids_with_future_timestamps_are_replaced(portable: PortableStore) -> None:
    value = parley_export(id="f" * 30)
    value["messages"][1]["id"] = "e" * 30
    import_data(portable, json_bytes(value))
    conversation = portable.load(ME, portable.ids(ME)[0])
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp() * 1_000_000
    ids = [conversation.conversation.id, *(node.message.id for node in conversation.nodes)]
    assert all(int(id_[:14], 16) < tomorrow for id_ in ids)
    assert outcomes(import_data(portable, json_bytes(value))) == ["unchanged"]


def test_cycles_missing_parents_and_duplicate_ids_are_repaired(portable: PortableStore) -> None:
    links = {"a": "c", "b": "a", "c": "b", "d": "gone", "e": "e", "f": None, "g": "f"}
    messages: list[Any] = [
        {"id": id_, "parent_id": parent, "role": "user", "text": id_}
        for id_, parent in links.items()
    ]
    messages += [{**messages[0]}, {"id": "h", "role": "robot", "text": "x"}, 7, None, {"id": 5}]
    report = import_data(portable, json_bytes(parley_export(messages=messages)))
    assert outcomes(report) == ["added"]
    assert len(report.items[0].notes) == 5
    conversation = portable.load(ME, report.items[0].conversation_id or "")
    assert sorted(node.message.text for node in conversation.nodes) == sorted(links)
    assert outcomes(import_data(portable, json_bytes(parley_export(messages=messages)))) == [
        "unchanged"
    ]

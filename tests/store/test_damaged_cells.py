"""Damaged cells of a SQLite file: named by the doctor, read as a default, never logged."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from chat import ChatService, Submission
from chat.store import Store
from chat.store.doctor import Liveness, examine

ME = "visitor:me"
OPEN = Liveness(lambda *_: False, lambda *_: False, lambda *_: 0)
DAMAGES = {
    "messages.text": "UPDATE messages SET text = CAST(x'73656372657420ff' AS TEXT) WHERE depth = 0",
    "messages.reasoning": "UPDATE messages SET reasoning = CAST(x'c328' AS TEXT) WHERE depth = 1",
    "messages.tokens": "UPDATE messages SET tokens = 'abc' WHERE depth = 1",
    "messages.total_ms": "UPDATE messages SET total_ms = x'00ff' WHERE depth = 1",
    "messages.created_at": "UPDATE messages SET created_at = '2026-1x-29' WHERE depth = 1",
    "messages.model": "UPDATE messages SET model = x'ff00' WHERE depth = 1",
    "conversations.updated_at": "UPDATE conversations SET updated_at = 'garbage'",
    "conversations.pinned_at": "UPDATE conversations SET pinned_at = 17",
    "conversations.title": "UPDATE conversations SET title = CAST(x'e228a1' AS TEXT)",
    "conversations.temperature": "UPDATE conversations SET temperature = 'hot'",
    "conversations.max_reply_tokens": "UPDATE conversations SET max_reply_tokens = 'many'",
    "ledger.prompt_tokens": "UPDATE ledger SET prompt_tokens = 'few'",
    "ledger.created_at": "UPDATE ledger SET created_at = ''",
}


def damaged_cells(url: str) -> list[str]:
    store = Store(url)
    found = [f for f in examine(store.engine, OPEN, repairs=False) if f.name == "unreadable cell"]
    store.close()
    return [id_.partition(" of ")[0] for finding in found for id_ in finding.ids]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("cell", DAMAGES)
def test_damaged_cell_is_named_by_the_doctor_and_the_rest_stays_readable(
    make_service: Callable[..., ChatService],
    database_url: str,
    tmp_path: Path,
    cell: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = make_service()
    me = service.as_owner(ME)
    sent = me.messages.send(None, Submission("a secret question"))
    list(me.messages.follow(sent.id))
    assert damaged_cells(database_url) == []
    with sqlite3.connect(tmp_path / "parley.db") as connection:
        connection.execute(DAMAGES[cell])
    connection.close()
    caplog.set_level(logging.DEBUG)
    assert damaged_cells(database_url) == [cell]
    view = me.conversations.open(sent.conversation_id)
    assert [each.role for each in view.messages] == ["user", "assistant"]
    listed = me.conversations.pinned() + me.conversations.latest()
    assert [each.id for each in listed] == [sent.conversation_id]
    again = me.messages.send(sent.conversation_id, Submission("still usable"))
    assert list(me.messages.follow(again.id))
    assert me.usage.report(30)
    assert "secret" not in caplog.text

"""Number and plans of queries: no N+1 queries and no table scans."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert

from chat import ChatService, Submission
from chat.domain.ids import new_id
from chat.domain.message import Message
from chat.store import Store
from chat.store.schema import ConversationRow, MessageRow

ME, BUSY = "visitor:me", "visitor:busy"
LIMITS = {
    "LIMIT_MESSAGES_PER_MINUTE": 1000,
    "LIMIT_INSTANCE_TOKENS_PER_DAY": 10**9,
    "LIMIT_CONCURRENT_REPLIES": 50,
}
Statements = list[tuple[str, Any]]


@contextmanager
def recorded_statements(engine: Engine) -> Iterator[Statements]:
    """Record the statements of this thread, except those of the cached kill switch."""
    statements: Statements = []
    here = threading.get_ident()

    def note(_: Any, __: Any, statement: str, values: Any, ___: Any, many: bool) -> None:
        if threading.get_ident() != here or statement.startswith("BEGIN"):
            return
        if not re.search(r"FROM (switched_off|banner)", statement):
            statements.append((statement, values[0] if many else values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def fill(engine: Engine, owner: str, messages: int) -> str:
    """Insert a conversation with a number of messages and return its id."""
    conversation, leaf, rows = new_id(), None, []
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    for depth in range(messages):
        id_ = new_id()
        rows.append(
            {
                "id": id_,
                "conversation_id": conversation,
                "parent_id": leaf,
                "depth": depth,
                "role": "assistant" if depth % 2 else "user",
                "text": "Some words about a zebra that goes its way",
                "status": "complete",
                "created_at": moment,
                "tokens": 9,
                "is_exact": True,
                "reasoning": "",
            }
        )
        leaf = id_
    values = {"system_prompt": "", "created_at": moment, "updated_at": moment, "leaf_id": leaf}
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(
            insert(ConversationRow), {"id": conversation, "owner": owner, "title": "T", **values}
        )
        connection.execute(insert(MessageRow), rows)
    return conversation


def talk(service: ChatService, owner: str, conversation: str) -> dict[str, Statements]:
    """Perform each user action once and return its statements."""
    asked: dict[str, Statements] = {}

    def do(name: str, act: Callable[[], Any]) -> Any:
        with recorded_statements(service.space.store.engine) as asked[name]:
            return act()

    def answered(name: str, act: Callable[[], Message]) -> Message:
        answer: Message = do(name, act)
        list(service.as_owner(owner).messages.follow(answer.id))
        return answer

    do("list", lambda: service.as_owner(owner).conversations.latest())
    do("list pinned", lambda: service.as_owner(owner).conversations.pinned())
    do("open", lambda: service.as_owner(owner).conversations.open(conversation))
    sent = answered(
        "send", lambda: service.as_owner(owner).messages.send(conversation, Submission("More"))
    )
    tried = answered("retry", lambda: service.as_owner(owner).messages.retry(sent.id))
    answered(
        "edit", lambda: service.as_owner(owner).messages.edit(tried.parent_id or "", "Other words")
    )
    do("show a version", lambda: service.as_owner(owner).messages.show_version(tried.id))
    do("search", lambda: service.as_owner(owner).conversations.search("zebra"))
    return asked


@pytest.fixture
def limited(make_service: Callable[..., ChatService]) -> ChatService:
    """A service with limits, so that their queries are recorded, too."""
    return make_service(**LIMITS)


def test_query_count_does_not_depend_on_conversation_length(limited: ChatService) -> None:
    engine = limited.space.store.engine
    short = talk(limited, ME, fill(engine, ME, 6))
    for _ in range(100):
        fill(engine, BUSY, 2)
    long = talk(limited, BUSY, fill(engine, BUSY, 200))
    assert {name: len(each) for name, each in long.items()} == {
        name: len(each) for name, each in short.items()
    }
    assert len(long["open"]) <= 7 and len(long["list"]) == 1
    assert len(long["send"]) <= 18  # half of them check limits


def test_queries_use_indexes_instead_of_table_scans(limited: ChatService) -> None:
    engine = limited.space.store.engine
    asked = talk(limited, ME, fill(engine, ME, 20))
    scans = _sqlite_scans if engine.dialect.name == "sqlite" else _postgres_scans
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # small tables are scanned otherwise
            connection.exec_driver_sql("SET enable_seqscan = off")
        found = {
            f"{name}: {scan} in {statement}"
            for name, statements in asked.items()
            for statement, values in statements
            for scan in scans(connection, statement, values)
        }
    assert not found


def test_table_scan_is_detected_in_query_plans(store: Store) -> None:
    query = "SELECT id FROM messages WHERE finish_reason = 'stop'"
    with store.engine.connect() as connection:
        if store.engine.dialect.name == "sqlite":
            assert _sqlite_scans(connection, query, ())
        else:
            connection.exec_driver_sql("SET enable_seqscan = off")
            assert _postgres_scans(connection, query, {})


def _sqlite_scans(connection: Connection, statement: str, values: Any) -> list[str]:
    """Return scans of a query plan, except those of CTEs and small indexes."""
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    allowed = ("SCAN walk", "SCAN w", "SCAN below", "SCAN CONSTANT ROW")
    return [
        row.detail
        for row in rows
        if row.detail.startswith("SCAN")
        and row.detail not in allowed
        and "messages_streaming" not in row.detail
        and "VIRTUAL TABLE INDEX" not in row.detail
    ]


def _postgres_scans(connection: Connection, statement: str, values: Any) -> list[str]:
    plan = connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars()
    return [line.strip() for line in plan if "Seq Scan on" in line]

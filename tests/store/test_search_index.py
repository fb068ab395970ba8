"""The search index stays consistent: random operations, migration, purge and other clients."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from chat.domain.ids import new_id
from chat.domain.message import Message, Status
from chat.domain.writes import NewAnswer, NewQuestion
from chat.store import Outcome, Store
from chat.store.engine import make_engine, migrate, scrub
from tests.support.search import find, say

ME = "visitor:me"


def indexed_ids(store: Store) -> set[tuple[str, str | None]]:
    """Return the (conversation, message) ids of all rows in the index."""
    with store.engine.connect() as connection:
        rows = connection.execute(text("SELECT conversation_id, message_id FROM search_rows"))
        return {(row[0], row[1]) for row in rows}


def expected_ids(store: Store) -> set[tuple[str, str | None]]:
    statement = (
        "SELECT conversation_id, id FROM messages WHERE status <> 'streaming' AND text <> ''"
        " UNION ALL SELECT id, NULL FROM conversations"
    )
    with store.engine.connect() as connection:
        return {(row[0], row[1]) for row in connection.execute(text(statement))}


@pytest.mark.slow
def test_index_stays_consistent_through_random_operations(store: Store) -> None:
    chance = random.Random(5)
    words = ["amber", "bronze", "coral", "日本", "表示", "denim", "ecru"]
    answers: list[Message] = []
    for _ in range(150):
        act = chance.choice(
            ["send", "send", "send", "edit", "retry", "delete", "rename", "purge", "reopen"]
        )
        phrase = " ".join(chance.choices(words, k=4))
        if act == "send" or not answers:
            answers.append(say(store, phrase, phrase.upper(), title=phrase))
            continue
        answer = chance.choice(answers)
        new = NewAnswer(new_id(), "scripted/one", "w")
        if act == "edit":
            asked = NewQuestion(phrase, 1, True)
            answer = store.messages.edit(ME, answer.parent_id or "", asked, new)
        elif act == "retry":
            answer = store.messages.retry(ME, answer.id, new)
        elif act == "delete":
            store.messages.set_deleted(ME, answer.id, is_deleted=chance.random() < 0.5)
            continue
        elif act == "rename":
            store.conversations.rename(ME, answer.conversation_id, phrase)
            continue
        elif act == "purge":
            store.conversations.purge(ME, answer.conversation_id)
            answers = [a for a in answers if a.conversation_id != answer.conversation_id]
            continue
        elif act == "reopen":
            leaf = store.conversations.get(ME, answer.conversation_id).leaf_id or ""
            answer = store.replies.reopen(ME, NewAnswer(leaf, "scripted/two", "w"))
        store.replies.finish(answer.id, "w", Outcome(Status.COMPLETE, phrase))
    assert indexed_ids(store) == expected_ids(store)
    for word in words:
        statement = (
            "SELECT m.id FROM messages m WHERE lower(m.text) LIKE :word AND m.deleted_at IS NULL"
            " UNION ALL SELECT c.id FROM conversations c WHERE c.title LIKE :word"
        )
        with store.engine.connect() as connection:
            there = connection.execute(text(statement), {"word": f"%{word}%"}).scalars().all()
        hits = find(store, f'"{word}"', limit=300)
        assert sorted(hit.message_id or hit.conversation_id for hit in hits) == sorted(there)


def test_migration_indexes_existing_messages(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    migrate(engine, "0003")
    with engine.execution_options(writes=True).begin() as connection:
        at = "2024-05-06 07:08:09.000000"
        connection.execute(
            text(
                "INSERT INTO conversations"
                " (id, owner, title, system_prompt, created_at, updated_at)"
                f" VALUES ('c1', '{ME}', 'Walnut 胡桃', '', '{at}', '{at}')"
            )
        )
        for id_, status in (("m1", "complete"), ("m2", "streaming")):
            connection.execute(
                text(
                    "INSERT INTO messages (id, conversation_id, depth, role, text, status,"
                    " created_at, tokens, is_exact, reasoning, model)"
                    f" VALUES ('{id_}', 'c1', 0, 'assistant', 'Yam 山芋', '{status}', '{at}', 1,"
                    " false, '', 'local/yam')"
                )
            )
    engine.dispose()
    store = Store(empty_database_url)
    assert [hit.message_id for hit in find(store, "芋")] == ["m1"]
    assert [hit.message_id for hit in find(store, "yam model:yam after:2024-05-06")] == ["m1"]
    assert [hit.message_id for hit in find(store, "胡桃")] == [None]
    store.replies.finish("m2", "", Outcome(Status.COMPLETE, "x"))  # ignored: another worker
    assert indexed_ids(store) == expected_ids(store)
    store.close()


@pytest.mark.slow
def test_purge_removes_all_words_from_the_sqlite_files(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'parley.db'}")
    for number in range(300):
        say(store, f"ordinary words {number} " * 20)
    secret = say(store, "canaryxq zyxwcanary 金絲雀鳥", "canaryreply", title="canarytitle")
    for number in range(300):
        say(store, f"other words {number} " * 20)
    store.conversations.purge(ME, secret.conversation_id)
    scrub(store.engine)
    for word in ("canaryxq", "zyxwcanary", "canaryreply", "canarytitle", "金", "金絲"):
        for file in tmp_path.iterdir():
            assert word.encode() not in file.read_bytes(), (word, file.name)
    with store.engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, search_words, row)"
        )
        left = connection.exec_driver_sql(
            "SELECT term FROM temp.terms WHERE term LIKE '%canary%' OR term IN ('金', '絲')"
        )
        assert left.all() == []
    assert len(find(store, "ordinary", limit=400)) == 300
    store.close()


def test_index_follows_writes_by_other_sqlite_clients(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'parley.db'}")
    sent = say(store, "quandong 日本")
    other = sqlite3.connect(tmp_path / "parley.db")
    other.execute("UPDATE messages SET text = '新しい rambutan' WHERE id = ?", (sent.id,))
    other.execute("DELETE FROM messages WHERE id = ?", (sent.id,))
    other.commit()
    other.execute("VACUUM")
    other.close()
    assert find(store, "rambutan") == []
    assert [hit.message_id for hit in find(store, "quandong 日")] == [sent.parent_id]
    store.close()

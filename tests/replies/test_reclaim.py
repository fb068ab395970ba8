"""A process that was taken for dead takes its reply back, unless somebody has decided since.

Clocks of two machines differ: ids say nothing of what came first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text

from chat.domain.ids import new_id
from chat.domain.message import Message, Status
from chat.domain.writes import NewAnswer, NewQuestion
from chat.store import Outcome, Store
from chat.store.schema import MessageRow

ME, ONE, OTHER = "visitor:me", "machine-one:1:aaa", "machine-other:1:bbb"
LATE, EARLY = "m" * 29, "a" * 29  # how ids begin on a machine whose clock is ahead, or behind


def question(id_: str = "") -> NewQuestion:
    return NewQuestion("Hi", 1, True, id=id_ or new_id())


def answer(worker: str, id_: str = "") -> NewAnswer:
    return NewAnswer(id_ or new_id(), "scripted/one", worker)


def interrupted(store: Store) -> Message:
    """A reply whose process is taken for dead after one word."""
    sent = store.messages.send(ME, None, question(LATE + "1"), answer(ONE, LATE + "2"))
    assert store.replies.save(sent.id, ONE, "one ", "")
    assert store.replies.interrupt_abandoned(lambda *_: True) == 1
    return sent


def done(store: Store, sent: Message, words: str) -> None:
    assert store.replies.finish(sent.id, OTHER, Outcome(Status.COMPLETE, words))


def ask_below(store: Store, sent: Message, id_: str) -> None:
    asked = question(id_ and id_ + "1")
    done(
        store,
        store.messages.send(ME, sent.conversation_id, asked, answer(OTHER, id_ and id_ + "2")),
        "Below",
    )


def ask_beside(store: Store, sent: Message, id_: str) -> None:
    done(store, store.messages.retry(ME, sent.id, answer(OTHER, id_ and id_ + "2")), "Beside")


@pytest.mark.parametrize("id_", ["", EARLY], ids=["same clock", "clock behind"])
@pytest.mark.parametrize("ask", [ask_below, ask_beside])
def test_who_has_asked_for_another_one_keeps_it(
    store: Store, ask: Callable[[Store, Message, str], None], id_: str
) -> None:
    sent = interrupted(store)
    ask(store, sent, id_)
    assert not store.replies.save(sent.id, ONE, "one two ", "")
    assert kept(store, sent.id) == ("interrupted", "one ", None)


def test_also_who_has_looked_back_since(store: Store) -> None:
    sent = interrupted(store)
    ask_beside(store, sent, "")
    store.messages.show_version(ME, sent.id)
    assert not store.replies.save(sent.id, ONE, "one two ", "")


def test_who_looks_at_an_older_version_keeps_it_in_view(store: Store) -> None:
    old = store.messages.send(ME, None, question(), answer(OTHER))
    done(store, old, "Old")
    new = store.messages.retry(ME, old.id, answer(ONE))
    assert store.replies.save(new.id, ONE, "one ", "")
    assert store.replies.interrupt_abandoned(lambda *_: True) == 1
    store.messages.show_version(ME, old.id)
    assert store.replies.save(new.id, ONE, "one two ", "")
    assert store.conversations.get(ME, old.conversation_id).leaf_id == old.id


def kept(store: Store, id_: str) -> tuple[str, str, str | None]:
    with store.engine.connect() as connection:
        columns = (MessageRow.status, MessageRow.text, MessageRow.worker)
        found = connection.execute(select(*columns).where(MessageRow.id == id_)).one()
    return found.status, found.text, found.worker


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_save_that_comes_back_and_a_click_do_not_wait_for_each_other(store: Store) -> None:
    sent = store.messages.send(ME, None, question(), answer(ONE))
    store.replies.save(sent.id, ONE, "one ", "")
    failed: list[BaseException] = []
    with store.engine.begin() as sweep:
        sweep.execute(text("SELECT id FROM conversations FOR UPDATE"))
        sweep.execute(text("UPDATE messages SET status = 'interrupted', heartbeat_at = NULL"))
        saving = at_once(lambda: store.replies.save(sent.id, ONE, "one two ", ""), failed)
        until_waiting(store, 1)
        clicking = at_once(lambda: store.replies.reopen(ME, answer(OTHER, sent.id)), failed)
        until_waiting(store, 2)
    saving.join()
    clicking.join()
    assert failed == []


def at_once(work: Callable[[], Any], failed: list[BaseException]) -> threading.Thread:
    def attempt() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    return thread


def until_waiting(store: Store, count: int) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(500):
        with store.engine.connect() as connection:
            if connection.execute(waiting).scalar_one() >= count:
                return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waits")

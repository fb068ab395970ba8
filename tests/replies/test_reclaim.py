"""Reclaim: a process presumed dead continues its reply, unless the user has acted since.

The clocks of two machines differ, so the order of ids is not the order of events.
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
LATE, EARLY = "m" * 29, "a" * 29  # ids of clocks that are ahead and behind


def question(id_: str = "") -> NewQuestion:
    return NewQuestion("Hi", 1, True, id=id_ or new_id())


def answer(worker: str, id_: str = "") -> NewAnswer:
    return NewAnswer(id_ or new_id(), "scripted/one", worker)


def interrupted(store: Store) -> Message:
    """Return a reply that was interrupted after one word, because its process was presumed dead."""
    sent = store.messages.send(ME, None, question(LATE + "1"), answer(ONE, LATE + "2"))
    assert store.replies.save(sent.id, ONE, "one ", "")
    assert store.replies.interrupt_abandoned(lambda *_: True) == 1
    return sent


def done(store: Store, sent: Message, words: str) -> None:
    assert store.replies.finish(sent.id, OTHER, Outcome(Status.COMPLETE, words))


def send_next(store: Store, sent: Message, id_: str) -> None:
    asked = question(id_ and id_ + "1")
    done(
        store,
        store.messages.send(ME, sent.conversation_id, asked, answer(OTHER, id_ and id_ + "2")),
        "Below",
    )


def retry(store: Store, sent: Message, id_: str) -> None:
    done(store, store.messages.retry(ME, sent.id, answer(OTHER, id_ and id_ + "2")), "Beside")


@pytest.mark.parametrize("id_", ["", EARLY], ids=["same clock", "clock behind"])
@pytest.mark.parametrize("ask", [send_next, retry])
def test_reply_is_not_reclaimed_after_a_newer_answer(
    store: Store, ask: Callable[[Store, Message, str], None], id_: str
) -> None:
    sent = interrupted(store)
    ask(store, sent, id_)
    assert not store.replies.save(sent.id, ONE, "one two ", "")
    assert kept(store, sent.id) == ("interrupted", "one ", None)


def test_reply_is_not_reclaimed_after_switching_back_to_it(store: Store) -> None:
    sent = interrupted(store)
    retry(store, sent, "")
    store.messages.show_version(ME, sent.id)
    assert not store.replies.save(sent.id, ONE, "one two ", "")


def test_reclaim_keeps_an_older_version_in_view(store: Store) -> None:
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
def test_reclaim_and_user_action_do_not_deadlock(store: Store) -> None:
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
    raise AssertionError("no thread waits for the lock")

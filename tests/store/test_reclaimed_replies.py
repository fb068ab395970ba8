"""A worker that was presumed dead may take its reply back, even if the stored text is no prefix.

A model may think without an opening `<think>` tag. Its first text is then stored as an answer and
becomes reasoning once `</think>` arrives.
"""

from __future__ import annotations

import pytest

from chat.domain.ids import new_id
from chat.domain.message import Message, Status
from chat.domain.writes import NewAnswer, NewQuestion
from chat.store import Outcome, Store

ME, WORKER, OTHER = "visitor:me", "machine-one:1:aaa", "machine-other:1:bbb"
THOUGHTS = "Four legs, I think"


def send(store: Store, worker: str = WORKER) -> Message:
    answer = NewAnswer(new_id(), "scripted/one", worker)
    return store.messages.send(ME, None, NewQuestion("How many legs?", 1, True), answer)


def interrupt(store: Store) -> None:
    """Mark the running reply as interrupted, as a process that missed its heartbeats does."""
    assert store.replies.interrupt_abandoned(lambda *_: True) == 1


def test_finish_after_interruption_stores_text_reclassified_as_reasoning(store: Store) -> None:
    sent = send(store)
    assert store.replies.save(sent.id, WORKER, THOUGHTS, "")
    interrupt(store)
    ended = Outcome(Status.COMPLETE, "It has four.", reasoning=THOUGHTS)
    assert store.replies.finish(sent.id, WORKER, ended)
    stored = store.messages.get(ME, sent.id)
    assert (stored.status, stored.text) == (Status.COMPLETE, "It has four.")
    assert stored.reasoning == THOUGHTS


def test_save_after_interruption_resumes_with_reclassified_text(store: Store) -> None:
    sent = send(store)
    assert store.replies.save(sent.id, WORKER, THOUGHTS, "")
    interrupt(store)
    assert store.replies.save(sent.id, WORKER, "It has", THOUGHTS)
    running = store.messages.get(ME, sent.id)
    assert (running.is_live, running.text, running.reasoning) == (True, "It has", THOUGHTS)


def test_finish_after_interruption_stores_continued_text_reclassified_as_reasoning(
    store: Store,
) -> None:
    sent = send(store, OTHER)
    store.replies.finish(sent.id, OTHER, Outcome(Status.STOPPED, THOUGHTS))
    store.replies.reopen(ME, NewAnswer(sent.id, "scripted/one", WORKER))
    assert store.replies.save(sent.id, WORKER, f"{THOUGHTS}, or six", "")
    interrupt(store)
    ended = Outcome(Status.COMPLETE, "It has four.", reasoning=f"{THOUGHTS}, or six")
    assert store.replies.finish(sent.id, WORKER, ended)
    assert store.messages.get(ME, sent.id).text == "It has four."


@pytest.mark.parametrize("stored", [THOUGHTS, "", "\n"], ids=["reclassified", "empty", "blank"])
def test_retry_that_ends_without_text_after_interruption_restores_the_replaced_leaf(
    store: Store, stored: str
) -> None:
    old = send(store, OTHER)
    store.replies.finish(old.id, OTHER, Outcome(Status.COMPLETE, "Four."))
    new = store.messages.retry(ME, old.id, NewAnswer(new_id(), "scripted/one", WORKER))
    assert store.replies.save(new.id, WORKER, stored, "")
    interrupt(store)
    assert store.replies.save(new.id, WORKER, "", THOUGHTS)
    assert store.conversations.get(ME, old.conversation_id).leaf_id == new.id
    assert store.replies.finish(new.id, WORKER, Outcome(Status.FAILED, "", reasoning=THOUGHTS))
    assert store.messages.get(ME, new.id).reasoning == THOUGHTS
    assert store.conversations.get(ME, old.conversation_id).leaf_id == old.id


def test_finish_after_interruption_is_refused_once_another_worker_continued_the_reply(
    store: Store,
) -> None:
    sent = send(store)
    assert store.replies.save(sent.id, WORKER, THOUGHTS, "")
    interrupt(store)
    store.replies.reopen(ME, NewAnswer(sent.id, "scripted/one", OTHER))
    assert not store.replies.finish(sent.id, WORKER, Outcome(Status.COMPLETE, "It has four."))
    assert store.messages.get(ME, sent.id).text == THOUGHTS

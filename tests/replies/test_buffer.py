"""How a running reply is followed: what is shown at once, and what waits for the next look."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from chat.domain.message import Status
from chat.providers.base import Delta
from chat.replies.buffer import (
    MAX_POLLS_PER_SECOND,
    MIN_POLL_INTERVAL,
    FollowerCount,
    ReplyBuffer,
    ReplyChunk,
)
from chat.replies.runner import ReplyRunner
from chat.replies.running_reply import RunningReply


class Sink:
    """Stores nothing; `finish` is replaced by the tests."""

    def save(self, reply: RunningReply) -> None: ...

    def finish(self, reply: RunningReply) -> None: ...


class Patient(FollowerCount):
    """Nobody in it looks by themselves: they see what they are called for."""

    poll_interval = 60.0


async def stream(steps: queue.Queue[Delta | None]) -> AsyncIterator[Delta]:
    """What the test puts in, as it is put in."""
    while (delta := await asyncio.to_thread(steps.get)) is not None:
        yield delta


@pytest.fixture
def steps() -> queue.Queue[Delta | None]:
    return queue.Queue()


def follow(reply: RunningReply) -> queue.Queue[ReplyChunk | None]:
    """What a follower in a thread of its own sees; None when it was let go."""
    seen: queue.Queue[ReplyChunk | None] = queue.Queue()

    def look() -> None:
        for piece in reply.buffer.follow():
            seen.put(piece)
        seen.put(None)

    threading.Thread(target=look, daemon=True).start()
    return seen


def test_the_last_words_are_seen_before_the_end_is_stored(
    steps: queue.Queue[Delta | None],
) -> None:
    may_store, stored = threading.Event(), threading.Event()

    sink = Sink()

    def finish(reply: RunningReply) -> None:
        assert may_store.wait(10)
        stored.set()

    sink.finish = finish  # type: ignore[method-assign]
    replies = ReplyRunner()
    generation = RunningReply("a", sink, Patient())
    seen = follow(generation)
    assert seen.get(timeout=10) == ReplyChunk()
    replies.reserve(generation)
    replies.start(generation, stream(steps))
    steps.put(Delta(text="First"))
    assert seen.get(timeout=10) == ReplyChunk("First")
    for delta in (Delta(text=" and"), Delta(text=" last."), Delta(finish_reason="stop")):
        steps.put(delta)
    assert seen.get(timeout=10) == ReplyChunk(" and last.")  # nobody was called for each of them
    assert not stored.is_set()
    steps.put(None)
    may_store.set()
    rest = list(iter(lambda: seen.get(timeout=10), None))
    assert stored.is_set() and set(rest) == {ReplyChunk()}
    replies.close()


def test_the_words_before_a_stop_are_seen_before_it_is_stored(
    steps: queue.Queue[Delta | None],
) -> None:
    may_store = threading.Event()

    sink = Sink()

    def finish(reply: RunningReply) -> None:
        assert may_store.wait(10)

    sink.finish = finish  # type: ignore[method-assign]
    replies = ReplyRunner()
    generation = RunningReply("a", sink, Patient())
    replies.reserve(generation)
    seen = follow(generation)
    replies.start(generation, stream(steps))
    steps.put(Delta(text="Some words"))
    assert next(piece for piece in iter(seen.get, None) if piece.text).text == "Some words"
    replies.stop("a", wait=0)
    assert seen.get(timeout=10) == ReplyChunk()  # called, though the end is not stored
    assert generation.status is Status.STOPPED
    may_store.set()
    steps.put(None)
    replies.close()


def test_the_more_follow_the_less_often_each_looks() -> None:
    crowd = FollowerCount()
    with ExitStack() as followers:
        for _ in range(10):
            followers.enter_context(crowd)
        assert crowd.poll_interval == MIN_POLL_INTERVAL
        for _ in range(40):
            followers.enter_context(crowd)
        assert crowd.poll_interval == 50 / MAX_POLLS_PER_SECOND > MIN_POLL_INTERVAL
    assert crowd.poll_interval == MIN_POLL_INTERVAL


def test_whoever_stops_following_is_not_counted_any_more() -> None:
    crowd = FollowerCount()
    looks = [ReplyBuffer(crowd).follow() for _ in range(100)]
    for look in looks:
        next(look)
    assert crowd.poll_interval == 100 / MAX_POLLS_PER_SECOND
    for look in looks:
        look.close()  # type: ignore[attr-defined]
    assert crowd.poll_interval == MIN_POLL_INTERVAL

"""Following a running reply: text that followers get at once, and the polling of many followers."""

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
    """Sink that stores nothing; tests replace `finish`."""

    def save(self, reply: RunningReply) -> None: ...

    def finish(self, reply: RunningReply) -> None: ...


class SlowPolling(FollowerCount):
    """Followers poll so rarely that they see notified changes only."""

    poll_interval = 60.0


async def stream(steps: queue.Queue[Delta | None]) -> AsyncIterator[Delta]:
    """Yield the deltas that the test puts into the queue; None ends the stream."""
    while (delta := await asyncio.to_thread(steps.get)) is not None:
        yield delta


@pytest.fixture
def steps() -> queue.Queue[Delta | None]:
    return queue.Queue()


def follow(reply: RunningReply) -> queue.Queue[ReplyChunk | None]:
    """Follow a reply in a thread; return a queue of its chunks, ended by None."""
    seen: queue.Queue[ReplyChunk | None] = queue.Queue()

    def run() -> None:
        for piece in reply.buffer.follow():
            seen.put(piece)
        seen.put(None)

    threading.Thread(target=run, daemon=True).start()
    return seen


def test_last_text_is_delivered_before_the_end_is_stored(
    steps: queue.Queue[Delta | None],
) -> None:
    may_store, stored = threading.Event(), threading.Event()

    sink = Sink()

    def finish(reply: RunningReply) -> None:
        assert may_store.wait(10)
        stored.set()

    sink.finish = finish  # type: ignore[method-assign]
    replies = ReplyRunner()
    reply = RunningReply("a", sink, SlowPolling())
    seen = follow(reply)
    assert seen.get(timeout=10) == ReplyChunk()
    replies.reserve(reply)
    replies.start(reply, stream(steps))
    steps.put(Delta(text="First"))
    assert seen.get(timeout=10) == ReplyChunk("First")
    for delta in (Delta(text=" and"), Delta(text=" last."), Delta(finish_reason="stop")):
        steps.put(delta)
    assert seen.get(timeout=10) == ReplyChunk(" and last.")  # not notified for each delta
    assert not stored.is_set()
    steps.put(None)
    may_store.set()
    rest = list(iter(lambda: seen.get(timeout=10), None))
    assert stored.is_set() and set(rest) == {ReplyChunk()}
    replies.close()


def test_stop_is_delivered_before_it_is_stored(
    steps: queue.Queue[Delta | None],
) -> None:
    may_store = threading.Event()

    sink = Sink()

    def finish(reply: RunningReply) -> None:
        assert may_store.wait(10)

    sink.finish = finish  # type: ignore[method-assign]
    replies = ReplyRunner()
    reply = RunningReply("a", sink, SlowPolling())
    replies.reserve(reply)
    seen = follow(reply)
    replies.start(reply, stream(steps))
    steps.put(Delta(text="Some words"))
    assert next(piece for piece in iter(seen.get, None) if piece.text).text == "Some words"
    replies.stop("a", wait=0)
    assert seen.get(timeout=10) == ReplyChunk()  # notified before the end is stored
    assert reply.status is Status.STOPPED
    may_store.set()
    steps.put(None)
    replies.close()


def test_poll_interval_grows_with_the_number_of_followers() -> None:
    followers = FollowerCount()
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(followers)
        assert followers.poll_interval == MIN_POLL_INTERVAL
        for _ in range(40):
            stack.enter_context(followers)
        assert followers.poll_interval == 50 / MAX_POLLS_PER_SECOND > MIN_POLL_INTERVAL
    assert followers.poll_interval == MIN_POLL_INTERVAL


def test_closed_followers_are_not_counted() -> None:
    followers = FollowerCount()
    buffers = [ReplyBuffer(followers).follow() for _ in range(100)]
    for buffer in buffers:
        next(buffer)
    assert followers.poll_interval == 100 / MAX_POLLS_PER_SECOND
    for buffer in buffers:
        buffer.close()  # type: ignore[attr-defined]
    assert followers.poll_interval == MIN_POLL_INTERVAL

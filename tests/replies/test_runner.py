"""The runner of replies: start after close, retries, and the log of an outage."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from chat import ChatService, Submission
from chat.domain.message import Status
from chat.errors import ReplyRunning, ServiceClosed, StoreFailed
from chat.observability.failure_log import FailureLog
from chat.providers.base import Delta
from chat.replies.runner import ReplyRunner
from chat.replies.running_reply import RunningReply
from tests.support.markers import on_one_database

ME = "visitor:me"
Make = Callable[..., ChatService]


class Sink:
    """Records finished replies; fails as often as `failures` says."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.finished: list[tuple[Status, str]] = []

    def save(self, reply: RunningReply) -> None: ...

    def finish(self, reply: RunningReply) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreFailed
        self.finished.append((reply.status, reply.buffer.text))


async def words() -> AsyncIterator[Delta]:
    yield Delta(text="Hello")
    yield Delta(finish_reason="stop")


def test_reply_started_after_close_ends_as_interrupted() -> None:
    runner, sink = ReplyRunner(), Sink()
    runner.close()
    reply = RunningReply("a", sink)
    runner.reserve(reply)
    runner.start(reply, words())
    assert sink.finished == [(Status.INTERRUPTED, "")]
    assert runner.get("a") is None and reply.buffer.wait(0)


def test_answer_cannot_be_continued_before_its_end_is_stored() -> None:
    runner, allowed = ReplyRunner(), threading.Event()

    class Slow(Sink):
        def finish(self, reply: RunningReply) -> None:
            assert allowed.wait(10)

    reply = RunningReply("a", Slow())
    runner.reserve(reply)
    runner.start(reply, words())
    while reply.status is Status.STREAMING:
        reply.buffer.wait(0.01)
    with pytest.raises(ReplyRunning):
        runner.reserve(RunningReply("a", Sink()))
    allowed.set()
    assert reply.buffer.wait(10)
    continued = RunningReply("a", Sink())
    runner.reserve(continued)
    runner.release(continued)
    runner.close()


def test_submit_after_close_closes_the_coroutine() -> None:
    runner = ReplyRunner()
    runner.close()

    async def never_started() -> None: ...

    work = never_started()
    with pytest.raises(ServiceClosed):
        runner.submit(work)
    with pytest.raises(RuntimeError, match="cannot reuse"):
        work.send(None)


@on_one_database
def test_question_sent_while_the_service_closes_keeps_its_interrupted_answer(
    make_service: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.replies.runner.STORE_TIMEOUT", 0.1)
    service = make_service()
    dispatcher, me = service.space.dispatcher, service.as_owner(ME)
    answer = me.messages.send(None, Submission("First"))
    list(me.messages.follow(answer.id))
    conversation = me.conversations.get(answer.conversation_id)
    question = service.space.requests.question(
        conversation.owner, Submission("Second"), conversation.settings
    )
    with dispatcher.reserved(ME, conversation.settings, conversation, answer.id, question) as (
        reply,
        new,
    ):
        stored = service.space.store.messages.send(
            ME, conversation.id, question, new, title="", settings=conversation.settings
        )
    service.runtime.runner.close()
    assert dispatcher.begin(conversation, stored, reply) is stored
    assert service.space.store.messages.get(ME, stored.id).status is Status.INTERRUPTED


def test_end_of_a_reply_is_stored_after_failures() -> None:
    runner, sink = ReplyRunner(), Sink(failures=3)
    reply = RunningReply("a", sink)
    runner.reserve(reply)
    runner.start(reply, words())
    assert reply.buffer.wait(10)
    assert sink.finished == [(Status.COMPLETE, "Hello")] and reply.buffer.is_unstored
    runner.close()


def test_write_soon_retries_until_the_write_succeeds() -> None:
    runner, done, failures = ReplyRunner(), threading.Event(), [StoreFailed(), StoreFailed()]

    def write() -> None:
        if failures:
            raise failures.pop()
        done.set()

    runner.write_soon("a write", write)
    assert done.wait(10)
    runner.close()


def test_outage_is_logged_for_the_first_and_every_tenth_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = FailureLog(logging.getLogger("failure_log_test"), "a write")
    for _ in range(25):
        failures.failed(StoreFailed())
    counts = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert counts == [1, 10, 20]
    failures.succeeded()
    assert caplog.records[-1].getMessage() == "a write succeeded after 25 failures"
    failures.succeeded()
    assert len(caplog.records) == 4

"""Several processes on one database: each can follow and stop replies and recovers from the others.

In these tests a process is a service. A dead or stalled process is simulated by `presumed_dead`,
a process on another machine by rows in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, text, update

from chat import ChatService, NotFound, Person, Status, Submission
from chat.domain.calls import CallKind, NewCall
from chat.domain.message import Message
from chat.domain.writes import NewAnswer, NewQuestion
from chat.errors import LockedOut, TooManyReplies, WrongCode
from chat.providers.base import Delta
from chat.replies.recovery import Recovery
from chat.replies.worker_liveness import Worker
from chat.store import Outcome, Store
from chat.store.schema import LedgerRow, MessageRow
from tests.support.dead_worker import presumed_dead
from tests.support.held_reply import ME, begin_held_reply, until
from tests.support.markers import on_one_database
from tests.support.scripted_provider import ScriptedProvider

ADMIN = Person("account:admin", is_admin=True)
REMOTE_WORKER = "another-machine:1:abc"

Make = Callable[..., ChatService]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save and read replies more often, to shorten the tests."""
    monkeypatch.setattr("chat.replies.runner.SAVE_INTERVAL", 0.05)
    monkeypatch.setattr("chat.replies.buffer.STORE_POLL_INTERVAL", 0.02)
    monkeypatch.setattr("chat.billing.kill_switch.TTL", 0.0)


def begin(service: ChatService, provider: ScriptedProvider) -> Message:
    """Start a reply in `service` that pauses after two stored words."""
    answer = begin_held_reply(service, provider)
    until(lambda: service.space.store.messages.get(ME, answer.id).text == "one two ")
    return answer


def end_while_presumed_dead(
    first: ChatService, second: ChatService, provider: ScriptedProvider, answer: Message
) -> None:
    """End the held reply of `first` while `second` takes it for abandoned; wait for its storing."""
    reply = first.runtime.runner.get(answer.id)
    assert reply is not None
    with presumed_dead(first):
        assert second.interrupt_abandoned() == 1
        assert last(second, answer).status is Status.INTERRUPTED
        provider.release()
        until(lambda: reply.buffer.is_unstored)
    assert reply.buffer.wait(10)


def last(service: ChatService, answer: Message) -> Message:
    return service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]


def stop_from(service: ChatService, provider: ScriptedProvider, answer: Message) -> None:
    """Stop the held reply in another process; its two words are kept and its request is closed."""
    service.as_owner(ME).messages.stop(answer.conversation_id)  # waits for the end
    stopped = last(service, answer)
    assert (stopped.status, stopped.text) == (Status.STOPPED, "one two ")
    assert provider.closed == 1, "the request is still open"


@on_one_database
def test_reply_can_be_stopped_from_another_process(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    stop_from(second, provider, answer)
    assert first.runtime.runner.get(answer.id) is None


@pytest.mark.usefixtures("quick")
def test_reply_stopped_from_another_process_can_be_continued(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    second.as_owner(ME).messages.stop(answer.conversation_id)
    provider.release()
    provider.say("three four")
    again = second.as_owner(ME).messages.continue_(answer.id)
    assert (
        "".join(piece.text for piece in first.as_owner(ME).messages.follow(again.id))
        == "one two three four"
    )
    assert last(first, answer).status is Status.COMPLETE


@pytest.mark.usefixtures("quick")
def test_reply_can_be_followed_from_another_process(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    provider.say([Delta(reasoning="Well, "), Delta(text="one "), Delta(text="two")])
    provider.hold(at=2)
    answer = first.as_owner(ME).messages.send(None, Submission("Count."))
    pieces, seen = [], ""
    for piece in second.as_owner(ME).messages.follow(answer.id):
        pieces.append(piece)
        seen += piece.text
        if seen == "one ":
            provider.release()
    assert seen == "one two"
    assert "".join(piece.reasoning for piece in pieces) == "Well, "
    assert last(second, answer).status is Status.COMPLETE


@pytest.mark.usefixtures("quick")
def test_kill_switch_stops_replies_of_all_processes(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    second.admin.switch_off(ADMIN, "scripted/one")
    until(lambda: last(second, answer).status is Status.STOPPED)
    assert last(second, answer).text == "one two "


@pytest.mark.usefixtures("quick")
def test_deleting_a_conversation_stops_a_reply_of_another_process(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    second.as_owner(ME).conversations.delete(answer.conversation_id)
    second.as_owner(ME).conversations.undelete(answer.conversation_id)
    assert last(second, answer).status is Status.STOPPED


@pytest.mark.usefixtures("quick")
def test_purged_reply_is_not_written_again(make_service: Make, provider: ScriptedProvider) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    following = first.as_owner(ME).messages.follow(answer.id)
    assert next(following).text == "one two "
    # Past the service, which would wait for the end of the reply.
    second.space.store.conversations.purge(ME, answer.conversation_id)
    list(following)
    until(lambda: first.runtime.runner.get(answer.id) is None)
    assert provider.closed == 1
    with first.space.store.engine.connect() as connection:
        assert connection.execute(select(MessageRow.id)).all() == []
        (call,) = connection.execute(select(LedgerRow.status)).all()
    assert call.status == Status.STOPPED.value


@pytest.mark.usefixtures("quick")
@on_one_database
def test_follower_ends_when_another_process_purges_the_conversation(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    following = second.as_owner(ME).messages.follow(answer.id)
    assert next(following).text == "one two "
    first.as_owner(ME).conversations.purge(answer.conversation_id)
    assert "".join(piece.text for piece in following) == ""


@pytest.mark.usefixtures("quick")
@on_one_database
def test_follower_in_another_process_survives_a_database_outage(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    following = second.as_owner(ME).messages.follow(answer.id)
    assert next(following).text == "one two "
    with first.space.store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE messages RENAME TO away"))
    assert [next(following).text for _ in range(3)] == [""] * 3
    with first.space.store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO messages"))
    provider.release()
    assert "".join(piece.text for piece in following) == "three"


def call_of(service: ChatService, answer: Message) -> Any:
    with service.space.store.engine.connect() as connection:
        columns = (LedgerRow.status, LedgerRow.completion_tokens, LedgerRow.is_reported)
        return connection.execute(select(*columns).where(LedgerRow.answer_id == answer.id)).one()


@pytest.mark.usefixtures("quick")
def test_reply_that_ended_while_its_process_was_presumed_dead_is_stored_completely(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    end_while_presumed_dead(first, second, provider, answer)
    done = last(second, answer)
    assert (done.status, done.text) == (Status.COMPLETE, "one two three")
    assert call_of(first, answer) == ("complete", 3, True)


@pytest.mark.usefixtures("quick")
def test_reply_with_unopened_think_tag_is_stored_after_its_process_was_presumed_dead(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    provider.say([Delta(text="Count to "), Delta(text="three.</think>\n"), Delta(text="one two")])
    provider.hold(at=1)
    answer = first.as_owner(ME).messages.send(None, Submission("Count."))
    assert provider.held.wait(10)
    until(lambda: first.space.store.messages.get(ME, answer.id).text == "Count to ")
    end_while_presumed_dead(first, second, provider, answer)
    done = last(second, answer)
    assert (done.status, done.text) == (Status.COMPLETE, "one two")
    assert done.reasoning == "Count to three."


@pytest.mark.usefixtures("quick")
def test_reply_of_a_recovered_process_continues_and_can_be_stopped(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    with presumed_dead(first):
        assert second.interrupt_abandoned() == 1
    until(lambda: last(first, answer).is_live)
    assert call_of(first, answer)[:2] == ("streaming", None)
    stop_from(second, provider, answer)


def send_next(service: ChatService, answer: Message) -> object:
    return service.as_owner(ME).messages.send(answer.conversation_id, Submission("Go on"))


def retry(service: ChatService, answer: Message) -> object:
    return service.as_owner(ME).messages.retry(answer.id)


def continue_reply(service: ChatService, answer: Message) -> object:
    return service.as_owner(ME).messages.continue_(answer.id)


def delete_answer(service: ChatService, answer: Message) -> None:
    service.as_owner(ME).messages.delete(answer.id)


def delete_conversation(service: ChatService, answer: Message) -> None:
    service.as_owner(ME).conversations.delete(answer.conversation_id)


def request_stop(service: ChatService, answer: Message) -> None:
    """Request a stop past the service, which knows that the reply was interrupted."""
    service.space.store.replies.ask_to_stop(answer.id)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "act", [send_next, retry, continue_reply, delete_answer, delete_conversation, request_stop]
)
def test_recovered_process_does_not_override_later_actions(
    make_service: Make,
    provider: ScriptedProvider,
    act: Callable[[ChatService, Message], object],
) -> None:
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    provider.say("four")
    with presumed_dead(first):
        assert second.interrupt_abandoned() == 1
        act(second, answer)
        until(lambda: not second.runtime.runner.running())
    # The first process ends the reply although the provider still holds it.
    until(lambda: not first.runtime.runner.running())
    with first.space.store.engine.connect() as connection:
        columns = (MessageRow.status, MessageRow.text)
        found = connection.execute(select(*columns).where(MessageRow.id == answer.id)).one()
    is_continued = act is continue_reply
    assert found == (("complete", "one two four") if is_continued else ("interrupted", "one two "))


@pytest.mark.usefixtures("quick")
def test_stop_requested_while_a_process_was_presumed_dead_applies(
    make_service: Make, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.replies.dispatcher.STOP_TIMEOUT", 0.0)
    first, second = make_service(), make_service()
    answer = begin(first, provider)
    with presumed_dead(first):
        second.as_owner(ME).messages.stop(answer.conversation_id)
        assert second.interrupt_abandoned() == 1
        provider.release()
        until(lambda: provider.closed)
    until(lambda: not first.runtime.runner.running())
    kept = last(second, answer)
    assert (kept.status, kept.text) == (Status.INTERRUPTED, "one two ")


class RemoteProcess:
    """A process on another machine, represented by its rows in the database."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        answer = NewAnswer("a" * 30, "scripted/one", REMOTE_WORKER)
        self.answer = self.store.messages.send(ME, None, NewQuestion("Hi", 1, True), answer)

    def send_heartbeat(self) -> None:
        self.store.replies.save(self.answer.id, REMOTE_WORKER, "one two ", "")


@pytest.fixture
def remote(database_url: str) -> Iterator[RemoteProcess]:
    process = RemoteProcess(database_url)
    yield process
    process.store.close()


def watch(service: ChatService) -> Callable[[], int]:
    """Return a function that looks for abandoned replies and advances the clock by two seconds."""
    ticks, now = count(step=2), [0.0]
    runtime, worker = service.runtime, Worker(clock=lambda: now[0])
    recovery = Recovery(runtime.runner, worker, runtime.billing)
    recovery.add(service.space.store)

    def look() -> int:
        now[0] = float(next(ticks))
        return recovery.interrupt_abandoned()

    return look


def test_remote_reply_is_interrupted_when_its_heartbeats_stop(
    make_service: Make, remote: RemoteProcess
) -> None:
    service = make_service()
    look = watch(service)
    for _ in range(12):
        remote.send_heartbeat()
        assert look() == 0
    following = service.as_owner(ME).messages.follow(remote.answer.id)
    assert next(following).text == "one two "
    looks = 0
    while not look():
        looks += 1
    assert 14 <= 2 * looks <= 16, "seconds until the reply is interrupted"
    assert "".join(piece.text for piece in following) == ""
    found = last(service, remote.answer)
    assert (found.status, found.text) == (Status.INTERRUPTED, "one two ")


def test_heartbeat_during_recovery_keeps_the_reply_running(remote: RemoteProcess) -> None:
    remote.send_heartbeat()

    def is_abandoned(*_: object) -> bool:
        remote.send_heartbeat()
        return True

    assert remote.store.replies.interrupt_abandoned(is_abandoned) == 0
    assert remote.store.replies.is_running(remote.answer.id)


def test_interrupted_reply_can_be_reclaimed_by_its_own_worker_only(
    remote: RemoteProcess,
) -> None:
    replies, id_ = remote.store.replies, remote.answer.id
    remote.send_heartbeat()
    assert replies.interrupt_abandoned(lambda *_: True) == 1
    assert not replies.save(id_, "another-machine:2:abc", "one two three", "")
    assert replies.save(id_, REMOTE_WORKER, "one two three", "")
    assert replies.is_running(id_)
    assert replies.interrupt_abandoned(lambda *_: True) == 1
    other = Outcome(Status.COMPLETE, "one two three four")
    assert not replies.finish(id_, "another-machine:2:abc", other)
    assert remote.store.messages.get(ME, id_).status is Status.INTERRUPTED
    assert replies.finish(id_, REMOTE_WORKER, other)
    stored = remote.store.messages.get(ME, id_)
    assert (stored.status, stored.text) == (Status.COMPLETE, "one two three four")


def test_empty_version_returns_to_view_when_its_process_recovers(
    remote: RemoteProcess,
) -> None:
    store, old = remote.store, remote.answer
    store.replies.finish(old.id, REMOTE_WORKER, Outcome(Status.COMPLETE, "one"))
    new = store.messages.retry(ME, old.id, NewAnswer("b" * 30, "scripted/one", REMOTE_WORKER))
    assert store.replies.interrupt_abandoned(lambda *_: True) == 1
    assert store.conversations.get(ME, old.conversation_id).leaf_id == old.id
    assert store.replies.save(new.id, REMOTE_WORKER, "two", "")
    assert store.conversations.get(ME, old.conversation_id).leaf_id == new.id


@on_one_database
@pytest.mark.parametrize("years", [-1, 1])
def test_clock_skew_of_another_machine_is_ignored(
    make_service: Make, remote: RemoteProcess, years: int
) -> None:
    service = make_service()
    look = watch(service)
    row = update(MessageRow).where(MessageRow.id == remote.answer.id)
    wrong = remote.answer.created_at + timedelta(days=365 * years)
    for second in range(12):
        with remote.store.engine.begin() as connection:
            connection.execute(row.values(heartbeat_at=wrong + timedelta(seconds=second)))
        assert look() == 0
    assert sum(look() for _ in range(9)) == 1


def test_temporary_reply_of_a_dead_machine_releases_its_reservation(
    make_service: Make, remote: RemoteProcess, provider: ScriptedProvider
) -> None:
    service = make_service(LIMIT_CONCURRENT_REPLIES=1)
    remote.store.conversations.purge(ME, remote.answer.conversation_id)
    rules = service.runtime.billing.rules.without_costs
    call = NewCall(ME, "scripted/one", CallKind.REPLY, REMOTE_WORKER, "b" * 30, 1, rules=rules)
    remote.store.ledger.add(call)
    look = watch(service)
    for _ in range(12):
        remote.store.ledger.heartbeat(call.id)
        assert look() == 0
    with pytest.raises(TooManyReplies):
        service.as_owner(ME).messages.send(None, Submission("Hi"))
    assert sum(look() for _ in range(9)) == 1
    service.as_owner(ME).messages.send(None, Submission("Hi"))


@pytest.mark.usefixtures("quick")
@on_one_database
def test_temporary_reply_writes_heartbeats_to_the_ledger(
    make_service: Make, provider: ScriptedProvider
) -> None:
    service = make_service()
    provider.hold()
    service.as_owner(ME, is_temporary=True).messages.send(None, Submission("Hi"))

    def heartbeat() -> object:
        with service.space.store.engine.connect() as connection:
            return connection.execute(select(LedgerRow.heartbeat_at)).scalar_one()

    first_heartbeat = heartbeat()
    until(lambda: heartbeat() != first_heartbeat)


def test_shares_search_usage_and_lockout_are_common_to_all_processes(
    make_service: Make, provider: ScriptedProvider
) -> None:
    first, second = (make_service(ACCESS_CODE="correct horse") for _ in range(2))
    provider.say("The capital is Lima.")
    answer = first.as_owner(ME).messages.send(None, Submission("Tell me about Peru"))
    list(first.as_owner(ME).messages.follow(answer.id))
    assert [hit.conversation_id for hit in second.as_owner(ME).conversations.search("lima")] == [
        answer.conversation_id
    ]
    share, secret = first.as_owner(ME).sharing.create(answer.conversation_id)
    assert second.as_owner("").sharing.open(secret).messages[-1].text == "The capital is Lima."
    second.as_owner(ME).sharing.revoke(share.id)
    with pytest.raises(NotFound):
        first.as_owner("").sharing.open(secret)
    assert second.as_owner(ME).usage.report().total.calls == 1
    for guess in range(4):
        with pytest.raises(WrongCode):
            (first, second)[guess % 2].access.enter(ME, "wrong", "192.0.2.1")
    with pytest.raises(LockedOut):
        first.access.enter(ME, "wrong", "192.0.2.1")
    with pytest.raises(LockedOut):
        second.access.enter("visitor:new", "correct horse", "192.0.2.1")

"""Ledger: records every call of a provider; the usage report; and the kill switch."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from chat import ChatService, Message, NotFound, Person, ReplySettings, Status, Submission
from chat.billing.kill_switch import TTL, KillSwitch
from chat.domain.attachment import File
from chat.domain.calls import CallKind, EndedCall, NewCall
from chat.domain.message import Usage
from chat.domain.usage import median_and_p90
from chat.errors import (
    ConnectionLost,
    ContentFiltered,
    FirstTokenTimeout,
    IncompleteReply,
    ModelDisabled,
    ParleyError,
    ProviderDown,
    RateLimited,
    Refused,
    StoreFailed,
    StreamInterrupted,
    StreamStalled,
)
from chat.providers.base import Delta
from chat.replies.worker_liveness import Worker
from chat.services.database_admin import observe_liveness
from chat.store import Store
from tests.support.dead_worker import presumed_dead
from tests.support.limited_service import Clock, Open, say
from tests.support.llm_server import FAULTS, LLMServer, Script
from tests.support.markers import on_one_database
from tests.support.scripted_provider import ScriptedProvider
from tests.support.speech_server import HELLO_WORLD
from tests.support.temporary import TemporaryService

ME, OTHER = "visitor:me", "visitor:other"
ADMIN = Person("account:admin", is_admin=True)


def rows(database_url: str) -> list[dict[str, Any]]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM ledger ORDER BY id")).mappings().all()
    engine.dispose()
    return [dict(row) for row in found]


def ask(service: ChatService, conversation: str | None = None, words: str = "Hi") -> Message:
    settings = ReplySettings("openai/echo")
    answer = service.as_owner(ME).messages.send(conversation, Submission(words), settings)
    list(service.as_owner(ME).messages.follow(answer.id))
    return answer


def test_report_equals_the_ledger_and_the_usage_of_the_server(
    open_service: Open, server: LLMServer, database_url: str
) -> None:
    server.requests.clear()
    service = open_service(server, MODEL_PRICES="openai/*=1/10")
    gate = threading.Event()
    held = Script(gate=gate, gate_at=5)
    server.next(Script(), FAULTS["500"], Script(tokens=30), FAULTS["break"], held, Script(tokens=3))
    first = ask(service)
    failed = ask(service)
    list(service.as_owner(ME).messages.follow(service.as_owner(ME).messages.retry(failed.id).id))
    ask(service, first.conversation_id)
    stopped = service.as_owner(ME).messages.send(
        None, Submission("Hi"), ReplySettings("openai/echo")
    )
    next(piece for piece in service.as_owner(ME).messages.follow(stopped.id) if piece.text)
    service.as_owner(ME).messages.stop(stopped.conversation_id)
    list(
        service.as_owner(ME).messages.follow(service.as_owner(ME).messages.continue_(stopped.id).id)
    )
    say(service, text="Thanks!", model="guide/guide")
    server.next(Script(text="hello world"))
    assert (
        service.as_owner(ME).speech.transcribe(File("a.wav", HELLO_WORLD.read_bytes())).result(10)
    )
    for seen in server.wait_for_requests(7):
        assert seen.over.wait(10)

    def is_written() -> bool:
        return all(row["status"] != "streaming" for row in rows(database_url))

    pause = threading.Event()
    while not is_written():  # chunks arrive before the ledger row
        pause.wait(0.01)
    ledger, total = rows(database_url), service.as_owner(ME).usage.report().total
    assert len(ledger) == total.calls == len(server.requests) + 1  # including Guide's
    replies = [row for row in ledger if row["kind"] == "reply" and row["model"] == "openai/echo"]
    attempts = [seen.sent_tokens for seen in server.requests if seen.finished.is_set()]
    reported = [row for row in replies if row["is_reported"]]
    assert [row["completion_tokens"] for row in reported] == [20, 30, 3]
    assert [tokens for tokens in attempts if tokens] == [20, 30, 3]
    assert {row["prompt_tokens"] for row in reported} == {7}  # constant of the test server
    assert [row["status"] for row in replies] == [
        *("complete", "failed", "complete", "failed", "stopped", "complete")
    ]
    assert [row["error_code"] for row in replies if row["error_code"]] == [
        *("provider_down", "cut_off")
    ]
    refused, broken = (row for row in replies if row["status"] == "failed")
    assert refused["prompt_tokens"] == refused["completion_tokens"] == refused["cost_nanos"] == 0
    assert broken["prompt_tokens"] > 0 and 5 <= broken["completion_tokens"] <= 20
    for row in replies:
        expected = row["prompt_tokens"] * 1_000 + row["completion_tokens"] * 10_000
        assert row["cost_nanos"] == expected
    assert total.prompt_tokens == sum(row["prompt_tokens"] for row in ledger)
    assert total.completion_tokens == sum(row["completion_tokens"] for row in ledger)
    assert total.tokens - total.estimated_tokens == sum(attempts) + 7 * len(reported)
    assert total.cost_usd == Decimal(sum(row["cost_nanos"] for row in ledger)) / 10**9
    assert total.failed == 2 and total.unpriced == 0 and total.running == 0
    assert dict(service.as_owner(ME).usage.report().errors) == {"provider_down": 1, "cut_off": 1}
    assert service.as_owner(OTHER).usage.report().total.calls == 0
    everyone = service.admin.usage(ADMIN)
    assert everyone.total == total and {line.owner for line in everyone.lines} == {ME}


@on_one_database
def test_unknown_price_is_reported_as_unknown(
    open_service: Open, provider: ScriptedProvider
) -> None:
    service = open_service()
    say(service)
    (line,) = service.as_owner(ME).usage.report().lines
    assert line.unpriced == 1 and line.cost_usd == 0
    assert line.tokens == 12 and line.estimated_tokens == 0
    assert line.first_token_ms is not None


def test_ledger_rows_remain_after_a_purge(
    open_service: Open, provider: ScriptedProvider, database_url: str
) -> None:
    service = open_service()
    service.as_owner(ME).conversations.purge(say(service, text="A secret word"))
    provider.hold(at=1)
    answer = service.as_owner(ME).messages.send(None, Submission("Another secret"))
    assert provider.held.wait(10)
    service.as_owner(ME).conversations.purge(answer.conversation_id)
    report = service.as_owner(ME).usage.report()
    assert report.total.calls == 2 and report.total.running == 0
    assert "secret" not in str(rows(database_url))


def test_refused_message_has_no_ledger_row(open_service: Open, provider: ScriptedProvider) -> None:
    service = open_service()
    conversation = say(service)
    provider.hold()
    service.as_owner(ME).messages.send(conversation, Submission("Hi"))
    for each in (service, TemporaryService(service)):
        with pytest.raises(Refused if each is service else NotFound):
            each.as_owner(ME).messages.send(conversation, Submission("Hi"))
    assert service.as_owner(ME).usage.report().total.calls == 2


def test_calls_of_a_dead_process_are_billed_by_estimate(
    open_service: Open, provider: ScriptedProvider, database_url: str
) -> None:
    provider.say("one two three four five", "one two three four five")
    provider.hold(at=4)
    first = open_service(MODEL_PRICES="*=1/10")
    answer = first.as_owner(ME).messages.send(None, Submission("Count for me."))
    first.as_owner(ME, is_temporary=True).messages.send(None, Submission("Count for me."))
    assert provider.held.wait(10)
    pause = threading.Event()
    while not first.space.store.messages.get(ME, answer.id).text:  # saved every second
        pause.wait(0.02)
    with presumed_dead(first):
        second = open_service(MODEL_PRICES="*=1/10")
        stored, temporary = rows(database_url)
        for row in (stored, temporary):
            assert row["status"] == Status.INTERRUPTED.value and not row["is_reported"]
            assert row["prompt_tokens"] >= 4 and row["cost_nanos"] > 0
        assert stored["completion_tokens"] >= 4
        assert second.as_owner(ME).usage.report().total.running == 0


@pytest.mark.parametrize("thoughts", ["", "Let me see."])
def test_stop_before_the_first_word_keeps_the_reservation(
    open_service: Open, provider: ScriptedProvider, database_url: str, thoughts: str
) -> None:
    service = open_service(
        MODEL_PRICES="*=1/10", LIMIT_TOKENS_PER_DAY=9_000, LIMIT_DOLLARS_PER_DAY=9
    )
    provider.say([Delta(reasoning=thoughts), Delta(text="Never seen")])
    provider.hold(at=1 if thoughts else 0)
    for each in (service, TemporaryService(service)):
        answer = each.as_owner(ME).messages.send(None, Submission("Hi"))
        assert provider.held.wait(10)
        reserved = rows(database_url)[-1]
        each.as_owner(ME).messages.stop(answer.conversation_id)
        row = rows(database_url)[-1]
        assert row["status"] == Status.STOPPED.value
        assert row["limit_tokens"] == reserved["limit_tokens"] > 4_000
        assert row["limit_nanos"] == reserved["limit_nanos"] > 0
        assert row["completion_tokens"] < 10, "the report counts unseen text"
        provider.say([Delta(reasoning=thoughts), Delta(text="Never seen")])
        provider.held.clear()


@on_one_database
@pytest.mark.parametrize(
    ("error", "is_held"),
    [
        (FirstTokenTimeout("X", seconds=1), True),
        (ConnectionLost("X"), True),
        (RateLimited("X"), False),
    ],
)
def test_failure_without_text_keeps_the_reservation_if_billable(
    open_service: Open,
    provider: ScriptedProvider,
    database_url: str,
    error: Exception,
    is_held: bool,
) -> None:
    service = open_service(LIMIT_TOKENS_PER_DAY=9_000)
    provider.say([error])
    say(service)
    (row,) = rows(database_url)
    assert row["status"] == "failed" and (row["limit_tokens"] > 4_000) is is_held


@on_one_database
@pytest.mark.parametrize("is_temporary", [False, True])
def test_stopped_reply_keeps_the_reservation(
    open_service: Open, provider: ScriptedProvider, database_url: str, is_temporary: bool
) -> None:
    service = open_service(
        MODEL_PRICES="*=1/10", LIMIT_TOKENS_PER_DAY=9_000, LIMIT_DOLLARS_PER_DAY=9
    )
    me = service.as_owner(ME, is_temporary=is_temporary)
    provider.say([Delta(reasoning="I think " * 20), Delta(text="So"), Delta(text="Never seen")])
    provider.hold(at=2)
    answer = me.messages.send(None, Submission("Hi"))
    assert provider.held.wait(10)
    (reserved,) = rows(database_url)
    me.messages.stop(answer.conversation_id)
    (row,) = rows(database_url)
    assert row["limit_tokens"] == reserved["limit_tokens"] > 4_000
    assert row["limit_nanos"] == reserved["limit_nanos"] > 0
    assert 40 < row["prompt_tokens"] + row["completion_tokens"] < 200, "the report is an estimate"
    total = me.usage.report().total
    assert total.estimated_tokens == total.tokens
    assert total.held_tokens == row["limit_tokens"] - total.tokens


END = Delta(finish_reason="stop")
REPORTED = Delta(finish_reason="stop", usage=Usage(5, 6, is_reported=True))


@on_one_database
@pytest.mark.parametrize(
    ("deltas", "is_held"),
    [
        ([Delta(text="So"), END], False),
        ([Delta(reasoning="I think"), Delta(text="So"), END], False),
        ([Delta(text="So"), REPORTED], False),
        ([Delta(text="So")], True),
        ([Delta(text="So"), Delta(finish_reason="length")], True),
        ([Delta(text="So"), StreamInterrupted("X")], True),
        ([Delta(text="So"), StreamStalled("X", seconds=1)], True),
        ([Delta(text="So"), ProviderDown("X")], True),
        ([Delta(text="So"), RateLimited("X")], True),
        ([Delta(reasoning="I think"), IncompleteReply("X")], True),
        ([Delta(text="So"), ParleyError()], True),
        ([REPORTED, ContentFiltered("X")], False),
    ],
)
def test_reply_keeps_the_reservation_unless_its_usage_is_known(
    open_service: Open,
    provider: ScriptedProvider,
    database_url: str,
    deltas: list[Delta | Exception],
    is_held: bool,
) -> None:
    service = open_service(LIMIT_TOKENS_PER_DAY=9_000)
    provider.say(deltas)
    say(service)
    (row,) = rows(database_url)
    assert (row["limit_tokens"] > 4_000) is is_held
    assert row["prompt_tokens"] + row["completion_tokens"] < 100


@on_one_database
def test_model_with_hidden_reasoning_keeps_the_reservation_without_reported_usage(
    open_service: Open, server: LLMServer, database_url: str
) -> None:
    server.next(Script(text="So", has_usage=False))
    service = open_service(server, LIMIT_TOKENS_PER_DAY=9_000)
    say(service, model="openai/o3")
    (row,) = rows(database_url)
    assert row["status"] == "complete" and row["limit_tokens"] > 4_000


def test_calls_of_a_living_process_are_not_ended(
    open_service: Open,
    provider: ScriptedProvider,
    clock: Clock,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider.hold()
    first = open_service()
    first.as_owner(ME, is_temporary=True).messages.send(None, Submission("Hi"))
    assert provider.held.wait(10)
    clock.now += timedelta(days=365)  # even after a clock jump
    first.interrupt_abandoned()
    # Make `second` see the first worker as another process that is alive.
    monkeypatch.setattr("chat.replies.worker_liveness._local_workers", set())
    monkeypatch.setattr(
        "chat.replies.worker_liveness.os", SimpleNamespace(getpid=lambda: 0, kill=os.kill)
    )
    second = open_service()
    second.interrupt_abandoned()
    assert rows(database_url)[0]["status"] == "streaming"


def test_call_presumed_lost_is_resumed_by_a_heartbeat(store: Store, database_url: str) -> None:
    call = NewCall(ME, "scripted/one", CallKind.REPLY, "another-machine:1:abc", "a" * 30, 7)
    store.ledger.add(call)
    assert store.ledger.end_abandoned(lambda *_: True, lambda *_: 5) == 1
    assert rows(database_url)[0]["status"] == "interrupted"
    store.ledger.heartbeat(call.id)
    (row,) = rows(database_url)
    assert (row["status"], row["cost_nanos"]) == ("streaming", None)
    assert store.ledger.end_abandoned(lambda *_: True, lambda *_: 5) == 1
    store.ledger.end(EndedCall(call.id, Status.COMPLETE, 7, 3, True, 11))
    store.ledger.end(
        EndedCall(call.id, Status.STOPPED, 0, 0, True, 0)
    )  # ignored: the call has ended
    (row,) = rows(database_url)
    assert (row["status"], row["cost_nanos"]) == ("complete", 11)


def test_doctor_keeps_calls_with_a_recent_heartbeat() -> None:
    worker, remote, now = Worker(), "another-machine:1:abc", datetime.now(UTC)
    worker.retire()
    signs = observe_liveness(worker, lambda *_: 0)
    assert signs.is_lost(remote, "a", "b", now) is False
    assert signs.is_lost(remote, "a", "b", now - timedelta(hours=1)) is None
    assert signs.is_lost(remote, None, "b", None) is None


@on_one_database
def test_call_whose_end_was_not_written_releases_its_reservation(
    open_service: Open,
    server: LLMServer,
    clock: Clock,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = open_service(server, LIMIT_CONCURRENT_REPLIES=1)
    attempts = threading.Semaphore(0)

    def fail(_call: object) -> None:
        attempts.release()
        raise StoreFailed

    with monkeypatch.context() as patched:
        patched.setattr("chat.replies.runner.RETRY_FOR", 0)
        patched.setattr(service.runtime.billing.ledger, "end", fail)
        say(TemporaryService(service), model="openai/echo")
        assert (
            service.as_owner(ME)
            .speech.transcribe(File("a.wav", HELLO_WORLD.read_bytes()))
            .result(10)
        )
        # The reply is written once; the recording once and again with retries.
        assert all(attempts.acquire(timeout=10) for _ in range(3))
    assert [row["status"] for row in rows(database_url)] == ["streaming"] * 2
    say(TemporaryService(service), model="openai/echo")
    assert [row["status"] for row in rows(database_url)] == [
        *("interrupted", "streaming", "complete")
    ]
    clock.now += timedelta(minutes=61)
    service.interrupt_abandoned()
    assert rows(database_url)[1]["status"] == "interrupted"


@on_one_database
def test_end_of_a_transcription_is_written_again_after_a_failure(
    open_service: Open, server: LLMServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = open_service(server)
    end, attempts = service.runtime.billing.ledger.end, threading.Event()
    problems = [StoreFailed()]

    def write(call: EndedCall) -> None:
        if problems:
            raise problems.pop()
        end(call)
        attempts.set()

    monkeypatch.setattr(service.runtime.billing.ledger, "end", write)
    assert (
        service.as_owner(ME).speech.transcribe(File("a.wav", HELLO_WORLD.read_bytes())).result(10)
    )
    assert attempts.wait(10)
    assert rows(database_url)[0]["status"] == "complete"


@on_one_database
def test_continued_reply_is_billed_for_the_new_text_only(
    open_service: Open, provider: ScriptedProvider, database_url: str
) -> None:
    provider.say(
        [Delta(text="one two three "), Delta(finish_reason="length")], [Delta(text="four")]
    )
    service = open_service()
    conversation = say(service)
    answer = service.as_owner(ME).conversations.open(conversation).messages[-1]
    list(
        service.as_owner(ME).messages.follow(service.as_owner(ME).messages.continue_(answer.id).id)
    )
    first, second = rows(database_url)
    assert first["completion_tokens"] >= 3 and second["completion_tokens"] == 2
    assert second["prompt_tokens"] > first["prompt_tokens"]


@on_one_database
def test_admin_methods_are_refused_to_others(open_service: Open) -> None:
    service = open_service()
    for forbidden in (
        lambda: service.admin.usage(Person(ME)),
        lambda: service.admin.switch_off(Person(ME), "*"),
        lambda: service.admin.set_banner(Person(ME), "Boo"),
    ):
        with pytest.raises(NotFound):
            forbidden()
    assert service.admin.banner() == "" and not service.admin.switched_off()


def test_disabled_model_is_neither_called_nor_offered(
    open_service: Open, provider: ScriptedProvider
) -> None:
    service = open_service()
    conversation = say(service, model="scripted/one")
    question, answer = service.as_owner(ME).conversations.open(conversation).messages
    service.admin.switch_off(ADMIN, "scripted/one")
    for refused in (
        lambda: service.as_owner(ME).messages.send(conversation, Submission("Hi")),
        lambda: service.as_owner(ME, is_temporary=True).messages.send(
            None, Submission("Hi"), ReplySettings("scripted/one")
        ),
        lambda: service.as_owner(ME).messages.edit(question.id, "Other"),
        lambda: service.as_owner(ME).messages.retry(answer.id),
    ):
        with pytest.raises(ModelDisabled, match="one · Scripted"):
            refused()
    assert [model.ref for model in service.models.available()] == ["scripted/two"]
    assert service.models.get().ref == "scripted/two", "the default model is still the disabled one"
    assert len(provider.requests) == 1 and service.as_owner(ME).usage.report().total.calls == 1
    service.admin.switch_off(ADMIN, "scripted/one", False)
    say(service, model="scripted/one")
    with pytest.raises(Refused):
        service.admin.switch_off(ADMIN, "guide/guide")


@on_one_database
@pytest.mark.parametrize(
    "spelling",
    [*("one", "scripted/One", "scripted/models/one", "scripted/one:x", "scripted/Models/ONE:free")],
)
def test_disabled_model_is_refused_in_every_spelling(
    open_service: Open, provider: ScriptedProvider, spelling: str
) -> None:
    service = open_service()
    service.admin.switch_off(ADMIN, "scripted/one")
    with pytest.raises(ModelDisabled):
        service.as_owner(ME).messages.send(None, Submission("Hi"), ReplySettings(spelling))
    assert not provider.requests


def test_disabling_a_tag_does_not_disable_other_tags(open_service: Open) -> None:
    service = open_service()
    service.admin.switch_off(ADMIN, "scripted/one:free")
    is_off = service.runtime.billing.kill_switch.is_off
    assert is_off("scripted/ONE:free")
    assert not is_off("scripted/one") and not is_off("scripted/one:dear")
    service.admin.switch_off(ADMIN, "scripted/two:latest")
    assert is_off("scripted/two") and is_off("scripted/two:latest")
    assert not is_off("scripted/two:7b")


@on_one_database
def test_typed_model_is_disabled_under_its_full_reference(
    open_service: Open, server: LLMServer
) -> None:
    service = open_service(server, TRANSCRIPTION_API_KEY="t")
    service.admin.switch_off(ADMIN, " echo ")
    assert service.admin.switched_off() == {"openai/echo"}
    service.admin.switch_off(ADMIN, "openai/ECHO", False)
    assert not service.admin.switched_off()
    for typed in ("own-openai/gpt-5", " ", "x" * 300, "scripted/" + "x" * 300, "guide/guide"):
        with pytest.raises(Refused):
            service.admin.switch_off(ADMIN, typed)
    service.admin.switch_off(ADMIN, "transcription/Whisper-1")
    assert service.admin.switched_off() == {"transcription/whisper-1"}
    service.admin.switch_off(ADMIN, "transcription/whisper-1", False)
    assert not service.admin.switched_off()


@on_one_database
def test_own_keys_are_disabled_only_with_everything(open_service: Open) -> None:
    service = open_service()
    is_off = service.runtime.billing.kill_switch.is_off
    service.admin.switch_off(ADMIN, "scripted/one")
    assert not is_off("own-scripted/one") and not is_off("own-openai/one")
    service.admin.switch_off(ADMIN, "*")
    assert is_off("own-openai/one") and not is_off("guide/guide")


@on_one_database
def test_disabling_everything_stops_replies_except_of_guide(
    open_service: Open, server: LLMServer
) -> None:
    gate = threading.Event()
    server.next(*[Script(gate=gate, gate_at=3)] * 2)
    service = open_service(server)
    running = [
        (
            each,
            each.as_owner(ME).messages.send(None, Submission("Hi"), ReplySettings("openai/echo")),
        )
        for each in (service, TemporaryService(service))
    ]
    for each, answer in running:
        next(piece for piece in each.as_owner(ME).messages.follow(answer.id) if piece.text)
    service.admin.switch_off(ADMIN, "*")
    for each, answer in running:
        list(each.as_owner(ME).messages.follow(answer.id))
        assert (
            each.as_owner(ME).conversations.open(answer.conversation_id).messages[-1].status
            is Status.STOPPED
        )
    assert [model.ref for model in service.models.available()] == ["guide/guide"]
    with pytest.raises(ModelDisabled):
        service.as_owner(ME).speech.transcribe(File("a.wav", HELLO_WORLD.read_bytes()))
    say(service, text="Thanks!")
    gate.set()


@on_one_database
def test_other_process_applies_the_kill_switch_within_two_seconds(
    open_service: Open, provider: ScriptedProvider, clock: Clock
) -> None:
    provider.say("one two three")
    provider.hold(at=2)
    here, there = open_service(), open_service()
    assert there.admin.banner() == "" and not there.admin.switched_off()
    answer = there.as_owner(ME).messages.send(None, Submission("Hi"))
    assert provider.held.wait(10)
    here.admin.set_banner(ADMIN, "  Closed at <b>noon</b> ")
    here.admin.switch_off(ADMIN, "*")
    assert TTL < 2
    list(there.as_owner(ME).messages.follow(answer.id))  # ends although the provider does not
    assert (
        there.as_owner(ME).conversations.open(answer.conversation_id).messages[-1].status
        is Status.STOPPED
    )
    assert there.admin.banner() == "Closed at <b>noon</b>"
    here.admin.set_banner(ADMIN, "")
    assert here.admin.banner() == ""


def test_disabled_models_stay_disabled_during_a_database_outage() -> None:
    class Away:
        answers: Iterator[Any] = iter([(frozenset({"*"}), "Closed")])

        def read(self) -> Any:
            for answer in self.answers:
                return answer
            raise StoreFailed

    now = [0.0]
    switches = KillSwitch(Away(), clock=lambda: now[0])  # type: ignore[arg-type]
    assert switches.is_off("openai/gpt-5")
    now[0] = 10.0
    assert switches.is_off("openai/gpt-5") and not switches.is_off("guide/guide")


def test_median_and_slow_percentile() -> None:
    assert median_and_p90([]) == (None, None)
    assert median_and_p90([5]) == (5, 5)
    assert median_and_p90([9, 1, 5]) == (5, 9)
    assert median_and_p90(range(101)) == (50, 90)

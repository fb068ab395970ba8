"""Calls whose end was not written: they are ended once, and only if nothing writes them."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from chat import Status, Submission
from chat.domain.attachment import File
from chat.domain.calls import CallKind, EndedCall, NewCall
from chat.errors import (
    StoreFailed,
)
from chat.replies.worker_liveness import Worker
from chat.services.database_admin import observe_liveness
from chat.store import Store
from tests.support.dead_worker import presumed_dead
from tests.support.limited_service import ME, Clock, Open, ledger_rows, say
from tests.support.llm_server import LLMServer
from tests.support.markers import on_one_database
from tests.support.scripted_provider import ScriptedProvider
from tests.support.speech_server import HELLO_WORLD
from tests.support.temporary import TemporaryService


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
        stored, temporary = ledger_rows(database_url)
        for row in (stored, temporary):
            assert row["status"] == Status.INTERRUPTED.value and not row["is_reported"]
            assert row["prompt_tokens"] >= 4 and row["cost_nanos"] > 0
        assert stored["completion_tokens"] >= 4
        assert second.as_owner(ME).usage.report().total.running == 0


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
    assert ledger_rows(database_url)[0]["status"] == "streaming"


def test_call_presumed_lost_is_resumed_by_a_heartbeat(store: Store, database_url: str) -> None:
    call = NewCall(ME, "scripted/one", CallKind.REPLY, "another-machine:1:abc", "a" * 30, 7)
    store.ledger.add(call)
    assert store.ledger.end_abandoned(lambda *_: True, lambda *_: 5) == 1
    assert ledger_rows(database_url)[0]["status"] == "interrupted"
    store.ledger.heartbeat(call.id)
    (row,) = ledger_rows(database_url)
    assert (row["status"], row["cost_nanos"]) == ("streaming", None)
    assert store.ledger.end_abandoned(lambda *_: True, lambda *_: 5) == 1
    store.ledger.end(EndedCall(call.id, Status.COMPLETE, 7, 3, True, 11))
    store.ledger.end(
        EndedCall(call.id, Status.STOPPED, 0, 0, True, 0)
    )  # ignored: the call has ended
    (row,) = ledger_rows(database_url)
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
    monkeypatch.setattr("chat.bootstrap.RECOVERY_INTERVAL", 3600)  # only the limit recovers calls
    service = open_service(server, LIMIT_CONCURRENT_REPLIES=1)
    attempts = threading.Semaphore(0)

    def fail(_call: object) -> None:
        attempts.release()
        raise StoreFailed

    with monkeypatch.context() as patched:
        patched.setattr("chat.replies.background_writer.RETRY_FOR", 0)
        patched.setattr(service.runtime.billing.ledger, "end", fail)
        say(TemporaryService(service), model="openai/echo")
        assert (
            service.as_owner(ME)
            .speech.transcribe(File("a.wav", HELLO_WORLD.read_bytes()))
            .result(10)
        )
        # The reply is written once; the recording once and again with retries.
        assert all(attempts.acquire(timeout=10) for _ in range(3))
    assert [row["status"] for row in ledger_rows(database_url)] == ["streaming"] * 2
    say(TemporaryService(service), model="openai/echo")
    assert [row["status"] for row in ledger_rows(database_url)] == [
        *("interrupted", "streaming", "complete")
    ]
    clock.now += timedelta(minutes=61)
    service.interrupt_abandoned()
    assert ledger_rows(database_url)[1]["status"] == "interrupted"


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
    assert ledger_rows(database_url)[0]["status"] == "complete"

"""Kill switch: one model, or all of them, is paused for all users."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chat import Person, ReplySettings, Status, Submission
from chat.billing.kill_switch import TTL, KillSwitch
from chat.domain.attachment import File
from chat.errors import (
    ModelDisabled,
    Refused,
    StoreFailed,
)
from tests.support.limited_service import ME, Clock, Open, say
from tests.support.llm_server import LLMServer, Script
from tests.support.markers import on_one_database
from tests.support.scripted_provider import ScriptedProvider
from tests.support.speech_server import HELLO_WORLD
from tests.support.temporary import TemporaryService

ADMIN = Person("account:admin", is_admin=True)


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


def test_queries_do_not_block_other_readers_of_the_switch() -> None:
    """Neither the first read nor a refresh holds the lock while the database is slow."""

    class Slow:
        def __init__(self) -> None:
            self.reads, self.is_read, self.may_answer = 0, threading.Event(), threading.Event()
            self.may_answer.set()

        def read(self) -> tuple[frozenset[str], str]:
            self.reads += 1
            self.is_read.set()
            assert self.may_answer.wait(10)
            return frozenset({"openai/gpt-5"}), ""

        def set_off(self, ref: str, *, is_off: bool) -> None:
            assert not switches._lock.locked()

        def set_banner(self, text: str) -> None:
            assert not switches._lock.locked()

    now, database = [0.0], Slow()
    switches = KillSwitch(database, clock=lambda: now[0])  # type: ignore[arg-type]
    assert switches.is_off("openai/gpt-5")
    now[0] = 10.0
    database.may_answer.clear()
    database.is_read.clear()
    with ThreadPoolExecutor(2) as pool:
        refresh = pool.submit(switches.is_off, "openai/gpt-5")
        assert database.is_read.wait(10)
        try:
            # The expired value is used while the other thread waits for the database.
            assert pool.submit(switches.is_off, "openai/gpt-5").result(5)
            assert not refresh.done() and database.reads == 2
        finally:
            database.may_answer.set()
        assert refresh.result(5)
    switches.set_off("openai/gpt-5", is_off=False)
    switches.set_banner("Closed")


def test_change_during_a_read_is_not_overwritten_by_it() -> None:
    class Changing:
        off: frozenset[str] = frozenset()

        def read(self) -> tuple[frozenset[str], str]:
            found = self.off
            if not found:
                self.off = frozenset({"*"})
                switches._invalidate()  # as a change in another thread does
            return found, ""

    switches = KillSwitch(Changing())  # type: ignore[arg-type]
    switches.is_off("openai/gpt-5")
    assert switches.is_off("openai/gpt-5"), "the outdated read was kept"

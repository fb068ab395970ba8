"""A reservation is kept unless the usage of the call is known."""

from __future__ import annotations

import io
import threading
import wave

import pytest

from chat import Status, Submission
from chat.domain.attachment import File
from chat.domain.message import Usage
from chat.errors import (
    ConnectionLost,
    ContentFiltered,
    FirstTokenTimeout,
    IncompleteReply,
    ParleyError,
    ProviderDown,
    RateLimited,
    SpendingLimitReached,
    StreamInterrupted,
    StreamStalled,
)
from chat.providers.base import Delta
from tests.support.limited_service import ME, Open, ledger_rows, say
from tests.support.llm_server import LLMServer, Script
from tests.support.markers import on_one_database
from tests.support.scripted_provider import ScriptedProvider
from tests.support.temporary import TemporaryService


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
        reserved = ledger_rows(database_url)[-1]
        each.as_owner(ME).messages.stop(answer.conversation_id)
        row = ledger_rows(database_url)[-1]
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
    (row,) = ledger_rows(database_url)
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
    (reserved,) = ledger_rows(database_url)
    me.messages.stop(answer.conversation_id)
    (row,) = ledger_rows(database_url)
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
    (row,) = ledger_rows(database_url)
    assert (row["limit_tokens"] > 4_000) is is_held
    assert row["prompt_tokens"] + row["completion_tokens"] < 100


@on_one_database
def test_model_with_hidden_reasoning_keeps_the_reservation_without_reported_usage(
    open_service: Open, server: LLMServer, database_url: str
) -> None:
    server.next(Script(text="So", has_usage=False))
    service = open_service(server, LIMIT_TOKENS_PER_DAY=9_000)
    say(service, model="openai/o3")
    (row,) = ledger_rows(database_url)
    assert row["status"] == "complete" and row["limit_tokens"] > 4_000


def recording(seconds: int) -> File:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(16_000 * seconds))
    return File("a.wav", out.getvalue())


@on_one_database
@pytest.mark.parametrize(
    ("seconds", "script", "minutes"),
    [
        (1, Script(text=""), 1),
        (61, Script(text=" [BLANK_AUDIO]"), 2),
        (200, Script(text="hello"), 4),
        (200, Script(status=500, body="down"), 0),
        (61, Script(status=401, body="wrong key"), 0),
        (61, Script(fault="html"), 2),
        (61, Script(fault="hang-up"), 2),
    ],
)
def test_recording_is_charged_by_its_length_unless_it_was_refused(
    open_service: Open,
    server: LLMServer,
    database_url: str,
    seconds: int,
    script: Script,
    minutes: int,
) -> None:
    server.next(script)
    service = open_service(server, MODEL_PRICES="openai/*=0/6", LIMIT_DOLLARS_PER_DAY=9)
    service.as_owner(ME).speech.transcribe(recording(seconds)).exception(10)
    pause = threading.Event()
    while service.as_owner(ME).usage.report().total.running:
        pause.wait(0.01)
    (row,) = ledger_rows(database_url)
    assert row["limit_nanos"] == row["cost_nanos"] == minutes * 6_000_000


@on_one_database
def test_silent_recordings_reach_the_dollar_limit(open_service: Open, server: LLMServer) -> None:
    server.next(*[Script(text="")] * 10)
    service = open_service(server, MODEL_PRICES="openai/*=0/6", LIMIT_DOLLARS_PER_DAY=0.02)
    for _ in range(3):
        service.as_owner(ME).speech.transcribe(recording(1)).exception(10)
    with pytest.raises(SpendingLimitReached):
        service.as_owner(ME).speech.transcribe(recording(1))
    server.reset()

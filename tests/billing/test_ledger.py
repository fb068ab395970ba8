"""Ledger: records every call of a provider; and the usage report."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from chat import ChatService, Message, NotFound, Person, ReplySettings, Submission
from chat.domain.attachment import File
from chat.domain.usage import median_and_p90
from chat.errors import (
    Refused,
)
from chat.providers.base import Delta
from tests.support.limited_service import ME, Open, ledger_rows, say
from tests.support.llm_server import FAULTS, LLMServer, Script
from tests.support.markers import on_one_database
from tests.support.scripted_provider import ScriptedProvider
from tests.support.speech_server import HELLO_WORLD
from tests.support.temporary import TemporaryService

OTHER = "visitor:other"
ADMIN = Person("account:admin", is_admin=True)


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
        return all(row["status"] != "streaming" for row in ledger_rows(database_url))

    pause = threading.Event()
    while not is_written():  # chunks arrive before the ledger row
        pause.wait(0.01)
    ledger, total = ledger_rows(database_url), service.as_owner(ME).usage.report().total
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
    assert "secret" not in str(ledger_rows(database_url))


def test_refused_message_has_no_ledger_row(open_service: Open, provider: ScriptedProvider) -> None:
    service = open_service()
    conversation = say(service)
    provider.hold()
    service.as_owner(ME).messages.send(conversation, Submission("Hi"))
    for each in (service, TemporaryService(service)):
        with pytest.raises(Refused if each is service else NotFound):
            each.as_owner(ME).messages.send(conversation, Submission("Hi"))
    assert service.as_owner(ME).usage.report().total.calls == 2


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
    first, second = ledger_rows(database_url)
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


def test_median_and_slow_percentile() -> None:
    assert median_and_p90([]) == (None, None)
    assert median_and_p90([5]) == (5, 5)
    assert median_and_p90([9, 1, 5]) == (5, 9)
    assert median_and_p90(range(101)) == (50, 90)

"""Limits: enforced for concurrent requests and processes; each refusal states when to retry."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from chat import ChatService, LimitReached, Message, Refused, ReplySettings, Submission
from chat.billing.call_costs import KEY_CHECKS_PER_MINUTE
from chat.billing.rate_limiter import RateLimiter
from chat.domain.attachment import File
from chat.domain.limits import format_wait
from chat.domain.message import Status, Usage
from chat.errors import (
    InstanceLimit,
    KeyChecksBusy,
    NotFound,
    PriceUnknown,
    RequestTooExpensive,
    RequestTooLarge,
    SpendingLimitReached,
    TokenLimitReached,
    TooManyMessages,
    TooManyReplies,
)
from chat.providers.base import Delta
from tests.support.dead_worker import presumed_dead
from tests.support.limited_service import NOON, Clock, Open, say
from tests.support.llm_server import LLMServer, Script
from tests.support.markers import on_one_database
from tests.support.scripted_provider import ScriptedProvider
from tests.support.speech_server import HELLO_WORLD
from tests.support.temporary import TemporaryService

ME, OTHER = "visitor:me", "visitor:other"


def refusal(
    service: ChatService | TemporaryService, owner: str = ME, text: str = "Hi"
) -> LimitReached:
    with pytest.raises(LimitReached) as caught:
        service.as_owner(owner).messages.send(None, Submission(text))
    return caught.value


def send_at_once(
    services: list[ChatService], owners: list[str]
) -> tuple[list[tuple[ChatService, str, Message]], list[LimitReached]]:
    """Send one message per owner concurrently, alternating between the services."""
    barrier = threading.Barrier(len(owners))
    sent: list[tuple[ChatService, str, Message]] = []
    refused: list[LimitReached] = []

    def send(number: int) -> None:
        service, owner = services[number % len(services)], owners[number]
        barrier.wait()
        try:
            answer = service.as_owner(owner).messages.send(
                None, Submission("Hi"), ReplySettings("openai/echo")
            )
            sent.append((service, owner, answer))
        except LimitReached as error:
            refused.append(error)

    with ThreadPoolExecutor(len(owners)) as pool:
        list(pool.map(send, range(len(owners))))
    return sent, refused


@pytest.mark.parametrize("processes", [1, 2])
def test_ten_of_fifty_concurrent_messages_are_sent_with_a_limit_of_ten(
    open_service: Open, server: LLMServer, processes: int
) -> None:
    server.requests.clear()
    services = [open_service(server, LIMIT_MESSAGES_PER_MINUTE=10) for _ in range(processes)]
    sent, refused = send_at_once(services, [ME] * 50)
    for service, owner, answer in sent:
        assert (
            "".join(piece.text for piece in service.as_owner(owner).messages.follow(answer.id))
            == "Hi"
        )
    assert len(sent) == len(server.requests) == 10
    assert len(refused) == 40 and {type(error) for error in refused} == {TooManyMessages}
    assert len(services[0].as_owner(ME).conversations.latest()) == 10, (
        "a refused message was stored"
    )


@on_one_database
def test_instance_limit_counts_all_owners(open_service: Open, server: LLMServer) -> None:
    server.requests.clear()
    service = open_service(server, LIMIT_INSTANCE_MESSAGES_PER_MINUTE=5, LIMIT_MESSAGES_PER_DAY=3)
    sent, refused = send_at_once([service], [f"visitor:{number}" for number in range(15)])
    for _, owner, answer in sent:
        list(service.as_owner(owner).messages.follow(answer.id))
    assert len(sent) == len(server.requests) == 5
    assert {type(error) for error in refused} == {InstanceLimit}
    assert "Guide is still available" in refused[0].sentence
    say(service, model="guide/guide")
    assert len(server.requests) == 5


def test_two_tabs_cannot_both_start_the_last_reply(open_service: Open, server: LLMServer) -> None:
    server.requests.clear()
    gate = threading.Event()
    server.next(*[Script(gate=gate, text="Yes.")] * 2)
    services = [open_service(server, LIMIT_CONCURRENT_REPLIES=2) for _ in range(2)]
    sent, refused = send_at_once(services, [ME] * 8)
    assert len(sent) == 2 and {type(error) for error in refused} == {TooManyReplies}
    gate.set()
    for service, owner, answer in sent:
        list(service.as_owner(owner).messages.follow(answer.id))
    say(services[0], model="openai/echo")
    assert len(server.requests) == 3


def test_reply_of_a_dead_process_does_not_count(
    open_service: Open, provider: ScriptedProvider
) -> None:
    provider.hold()
    first = open_service(LIMIT_CONCURRENT_REPLIES=1)
    first.as_owner(ME).messages.send(None, Submission("Hi"))
    assert provider.held.wait(10)
    second = open_service(LIMIT_CONCURRENT_REPLIES=1)
    assert isinstance(refusal(second), TooManyReplies)
    with presumed_dead(first):
        second.as_owner(ME).messages.send(None, Submission("Hi"))


@on_one_database
def test_temporary_reply_of_a_dead_process_does_not_count(
    open_service: Open, provider: ScriptedProvider
) -> None:
    provider.hold()
    first = open_service()
    first.as_owner(ME).messages.send(None, Submission("Hi"))
    assert provider.held.wait(10)
    second = open_service(LIMIT_CONCURRENT_REPLIES=1)
    assert isinstance(refusal(TemporaryService(second)), TooManyReplies)
    with presumed_dead(first):
        second.as_owner(ME, is_temporary=True).messages.send(None, Submission("Hi"))


def test_minute_limit_is_a_sliding_window_with_exact_retry_time(
    open_service: Open, clock: Clock
) -> None:
    service = open_service(LIMIT_MESSAGES_PER_MINUTE=3)
    for seconds in (0, 10, 20):
        clock.now = NOON + timedelta(seconds=seconds)
        say(service)
    clock.now = NOON + timedelta(seconds=25)
    error = refusal(service)
    assert error.again_at == NOON + timedelta(seconds=60)
    assert "in about 35 seconds" in error.sentence
    say(service, OTHER)
    clock.now = error.again_at - timedelta(microseconds=1)
    refusal(service)
    clock.now = error.again_at
    say(service)
    assert refusal(service).again_at == NOON + timedelta(seconds=70)


@on_one_database
def test_refusal_by_several_limits_states_the_longest_wait(
    open_service: Open, clock: Clock
) -> None:
    service = open_service(LIMIT_MESSAGES_PER_MINUTE=1, LIMIT_INSTANCE_MESSAGES_PER_DAY=1)
    say(service)
    error = refusal(service)
    assert isinstance(error, InstanceLimit) and error.again_at == NOON + timedelta(days=1)


def test_running_reply_reserves_its_maximum_length(
    open_service: Open, provider: ScriptedProvider, clock: Clock
) -> None:
    service = open_service(LIMIT_TOKENS_PER_DAY=250, MAX_REPLY_TOKENS=100)
    provider.hold()
    answers = [service.as_owner(ME).messages.send(None, Submission("Hi")) for _ in range(2)]
    assert isinstance(refusal(service), TokenLimitReached)
    provider.release()
    for answer in answers:
        list(service.as_owner(ME).messages.follow(answer.id))
    say(service)  # both used 12 tokens each
    assert service.as_owner(ME).usage.report().total.tokens == 36


def test_used_tokens_are_released_after_a_day(
    open_service: Open, provider: ScriptedProvider, clock: Clock
) -> None:
    service = open_service(LIMIT_TOKENS_PER_DAY=300, MAX_REPLY_TOKENS=50)
    for hours in (0, 1, 2):
        clock.now = NOON + timedelta(hours=hours)
        provider.say([Delta(text="Yes"), Delta(finish_reason="stop", usage=Usage(10, 90, True))])
        say(service)
    error = refusal(service)
    assert error.again_at == NOON + timedelta(days=1)  # releases enough tokens
    assert "in about 22 hours" in error.sentence
    clock.now = error.again_at
    say(service)


def test_dollar_limit_uses_prices_and_refuses_unknown_ones(
    open_service: Open, provider: ScriptedProvider, clock: Clock
) -> None:
    service = open_service(
        LIMIT_DOLLARS_PER_DAY=1, MODEL_PRICES="scripted/one=0/1000", MAX_REPLY_TOKENS=400
    )
    provider.say([Delta(text="Yes"), Delta(finish_reason="stop", usage=Usage(10, 700, True))])
    say(service)  # $0.70; the next reserves $0.40
    assert isinstance(refusal(service), SpendingLimitReached)
    with pytest.raises(PriceUnknown, match="MODEL_PRICES"):
        service.as_owner(ME).messages.send(None, Submission("Hi"), ReplySettings("scripted/two"))
    dear = open_service(LIMIT_DOLLARS_PER_DAY=0.1, MODEL_PRICES="*=0/1000", MAX_REPLY_TOKENS=400)
    with pytest.raises(RequestTooExpensive, match=r"\$0\.40"):
        dear.as_owner(OTHER).messages.send(None, Submission("Hi"))


@on_one_database
def test_request_larger_than_allowed_is_refused(open_service: Open) -> None:
    service = open_service(LIMIT_REQUEST_TOKENS=60)
    conversation = say(service)
    with pytest.raises(RequestTooLarge):
        service.as_owner(ME).messages.send(conversation, Submission("word " * 60))
    assert len(service.as_owner(ME).conversations.open(conversation).messages) == 2


@on_one_database
def test_edit_retry_and_continue_count_as_messages(
    open_service: Open, provider: ScriptedProvider
) -> None:
    provider.say([Delta(text="cut"), Delta(finish_reason="length")])
    service = open_service(LIMIT_MESSAGES_PER_DAY=1)
    conversation = say(service)
    question, answer = service.as_owner(ME).conversations.open(conversation).messages
    for again in (
        lambda: service.as_owner(ME).messages.edit(question.id, "Other"),
        lambda: service.as_owner(ME).messages.retry(answer.id),
        lambda: service.as_owner(ME).messages.continue_(answer.id),
    ):
        with pytest.raises(TooManyMessages):
            again()
    after = service.as_owner(ME).conversations.open(conversation)
    assert [m.text for m in after.messages] == ["Hi", "cut"] and after.running_id is None
    assert len(provider.requests) == 1


@on_one_database
def test_temporary_conversation_counts_without_storing_text(
    open_service: Open, provider: ScriptedProvider
) -> None:
    service = open_service(LIMIT_MESSAGES_PER_DAY=2)
    say(TemporaryService(service))
    say(service)
    for each in (service, TemporaryService(service)):
        refusal(each)
    assert service.as_owner(ME).usage.report().total.calls == 2
    assert (
        service.as_owner(ME, is_temporary=True).usage.report()
        == service.as_owner(ME).usage.report()
    )
    assert len(service.as_owner(ME).conversations.latest()) == 1


@on_one_database
def test_transcription_counts_towards_limits(open_service: Open, server: LLMServer) -> None:
    server.requests.clear()
    service = open_service(server, LIMIT_MESSAGES_PER_DAY=1)
    recording = File("a.wav", HELLO_WORLD.read_bytes())
    assert service.as_owner(ME).speech.transcribe(recording).result(10)
    with pytest.raises(TooManyMessages):
        service.as_owner(ME).speech.transcribe(recording)
    with pytest.raises(TooManyMessages):
        say(service, model="openai/echo")
    assert len(server.requests) == 1


@on_one_database
def test_guide_is_exempt_from_limits(open_service: Open, server: LLMServer) -> None:
    service = open_service(
        server,
        LIMIT_INSTANCE_DOLLARS_PER_DAY=0.001,
        LIMIT_INSTANCE_MESSAGES_PER_DAY=1,
        LIMIT_REQUEST_TOKENS=1,
        LIMIT_TOKENS_PER_DAY=1,
    )
    for _ in range(2):
        conversation = say(service, text="Thanks!", model="guide/guide")
    assert (
        service.as_owner(ME).conversations.open(conversation).messages[-1].status is Status.COMPLETE
    )
    with pytest.raises(Refused):
        say(service, model="openai/echo")
    assert service.as_owner(ME).usage.report().total.calls == 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "in about 1 second"),
        (59.2, "in about 60 seconds"),
        (61, "in about 2 minutes"),
        (3600, "in about 60 minutes"),
        (3601, "in about 2 hours"),
        (86_400, "in about 24 hours"),
    ],
)
def test_stated_wait_is_never_too_short(seconds: float, words: str) -> None:
    assert format_wait(timedelta(seconds=seconds)) == words


@on_one_database
def test_reply_far_beyond_the_requested_length_is_truncated(
    open_service: Open, provider: ScriptedProvider
) -> None:
    provider.say([Delta(text="x" * 60_000, reasoning="y" * 10)] * 3)
    service = open_service(MAX_REPLY_TOKENS=10)
    answer = service.as_owner(ME).conversations.open(say(service)).messages[-1]
    assert len(answer.text) + len(answer.reasoning) <= 100_400 < len(answer.text) + 100
    assert answer.finish_reason == "length" and answer.is_cut
    assert provider.closed == 1


def test_rate_limiter_bounds_concurrency_and_rate(clock: Clock) -> None:
    now = [0.0]
    limiter = RateLimiter(2, 4, lambda: now[0])
    for _ in range(2):
        limiter.acquire()
    with pytest.raises(KeyChecksBusy):
        limiter.acquire()
    for _ in range(2):
        limiter.release()
        limiter.acquire()
    limiter.release()
    with pytest.raises(KeyChecksBusy):
        limiter.acquire()
    now[0] += 60
    limiter.acquire()


@on_one_database
def test_key_checks_over_the_rate_send_no_request(open_service: Open) -> None:
    service = open_service()
    own = service.models.own_key("openai", "sk-mine")
    for _ in range(KEY_CHECKS_PER_MINUTE):
        service.runtime.billing.key_checks.acquire()
        service.runtime.billing.key_checks.release()
    for each in (service, TemporaryService(service)):
        with pytest.raises(KeyChecksBusy):
            each.models.discover_own_models(own)


def test_advisory_lock_numbers_are_unique() -> None:
    """PostgreSQL's advisory locks are numbers, which must be unique in the source."""
    found = [
        number
        for file in (Path(__file__).parents[2] / "chat").rglob("*.py")
        for number in re.findall(r"\b72057594\d\d\b", file.read_text("utf-8"))
    ]
    assert len(found) >= 3 and len(set(found)) == len(found)


@on_one_database
def test_message_to_a_foreign_conversation_uses_no_quota(open_service: Open) -> None:
    service = open_service(LIMIT_MESSAGES_PER_DAY=1)
    conversation = say(service)
    with pytest.raises(NotFound):
        service.as_owner(OTHER).messages.send(conversation, Submission("Hi"))
    say(service, OTHER)


@on_one_database
def test_discarded_transcription_releases_its_reservation(
    open_service: Open, server: LLMServer
) -> None:
    gate = threading.Event()
    server.next(Script(gate=gate))
    service = open_service(server)
    words = service.as_owner(ME).speech.transcribe(File("a.wav", HELLO_WORLD.read_bytes()))
    assert words.cancel()
    pause = threading.Event()
    while service.as_owner(ME).usage.report().total.running:
        pause.wait(0.01)
    gate.set()
    server.reset()
    assert service.as_owner(ME).usage.report().total.calls == 1

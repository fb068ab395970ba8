"""The end of a streamed reply: when it is believed, and what its reason means."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat import ChatService, Message, ReplySettings, Status, Submission, errors, open_chat
from chat.providers.openai_compatible.finish_reasons import Finish, finish_of
from tests.support.llm_server import LLMServer, Script
from tests.support.provider_replies import (
    DONE,
    STOP,
    TEXT,
    WHOLE,
    Answer,
    ask,
    event,
    played,
    raw,
)

WORDS = "".join(f"w{place} " for place in range(8))


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


def slow(server: LLMServer, *events: bytes, fault: str | None = None, **settings: Any) -> Answer:
    """Return the reply to events that arrive more slowly than the grace after a finish."""
    server.next(Script(events=events, pace=12, fault=fault))
    return ask(server.base_url, **{"idle_timeout": 0.05, **settings})


@pytest.mark.parametrize(
    "reason", ["stop", "null", "", "length", "end_turn", "None", "finish_reason_unspecified"]
)
def test_finish_reason_on_every_chunk_does_not_end_the_reply(
    server: LLMServer, reason: str
) -> None:
    events = [event({"content": f"w{place} "}, reason) for place in range(8)]
    server.next(Script(events=(*events, STOP, DONE), pace=100))
    answer = ask(server.base_url, idle_timeout=0.5)
    assert (answer.text, answer.finish_reason) == (WORDS, "stop")


def test_finish_reason_with_text_does_not_shorten_the_wait(server: LLMServer) -> None:
    events = [event({"content": f"w{place} "}, "stop") for place in range(8)]
    answer = slow(server, *events, DONE, idle_timeout=5)
    assert (answer.text, answer.finish_reason) == (WORDS, "stop")


def test_text_after_a_finish_is_part_of_the_reply(server: LLMServer) -> None:
    answer = played(server, TEXT[0], STOP, *TEXT[1:], DONE)
    assert answer.is_complete
    assert answer.text == WHOLE


def test_finish_on_the_first_chunk_waits_for_the_first_text(server: LLMServer) -> None:
    answer = slow(server, event({"role": "assistant"}, "stop"), b"", b"", *TEXT, STOP, DONE,
                  idle_timeout=1, first_token_timeout=5)  # fmt: skip
    assert (answer.text, answer.is_complete) == (WHOLE, True)


def test_silence_after_a_finish_ends_the_reply(server: LLMServer) -> None:
    server.next(Script(events=(*TEXT, STOP), fault="stall"))
    answer = ask(server.base_url, idle_timeout=0.1)
    assert (answer.text, answer.finish_reason) == (WHOLE, "stop")


def test_silence_after_a_finish_with_text_ends_the_reply(server: LLMServer) -> None:
    server.next(Script(events=(event({"content": WHOLE}, "stop"),), fault="stall"))
    assert ask(server.base_url, idle_timeout=0.1).is_complete


@pytest.mark.parametrize("fault", ["stall", "break"])
def test_disproved_finish_does_not_complete_a_reply_that_breaks_off(
    server: LLMServer, fault: str
) -> None:
    events = tuple(event({"content": each}, "stop") for each in ("Alpha ", "beta "))
    server.next(Script(events=events, fault=fault))
    answer = ask(server.base_url, idle_timeout=0.1)
    assert answer.text == "Alpha beta "
    assert type(answer.error) in {errors.StreamStalled, errors.StreamInterrupted}


def test_text_after_the_last_finish_without_an_end_marker_is_incomplete(server: LLMServer) -> None:
    answer = played(server, TEXT[0], STOP, TEXT[1])
    assert type(answer.error) is errors.IncompleteReply


def test_stop_after_a_length_limit_does_not_hide_it(server: LLMServer) -> None:
    answer = played(server, *TEXT, event({}, "length"), STOP, DONE)
    assert answer.finish_reason == "length"


# --- meanings

KINDS = {
    Finish.STOP: "stop STOP end_turn eos eos_token stop_sequence endTurn finished completed done "
    "end FINISH_REASON_STOP normal COMPLETE stopped eot_id",
    Finish.LENGTH: "length max_tokens MAX_TOKENS model_length max_output_tokens maxTokens "
    "token_limit truncated context_window_exceeded length_limit max_new_tokens "
    "model_context_window_exceeded FINISH_REASON_MAX_TOKENS max_length output_limit",
    Finish.FILTERED: "content_filter ContentFilter safety SAFETY SPII RECITATION BLOCKLIST "
    "PROHIBITED_CONTENT sensitive refusal guardrail_intervened content_policy IMAGE_SAFETY "
    "moderation content-filtered",
    Finish.BROKEN: "error network_error abort aborted cancelled insufficient_system_resource "
    "timeout timed_out MALFORMED_FUNCTION_CALL failed ERROR_TOXIC interrupted incomplete "
    "overloaded engine_error rate_limit content_filter_error",
    Finish.TOOL_CALL: "tool_calls function_call tool_use TOOL_CALL toolUse UNEXPECTED_TOOL_CALL",
    Finish.UNKNOWN: "other OTHER pause_turn LANGUAGE banana 7",
    None: "null None NULL undefined in_progress FINISH_REASON_UNSPECIFIED",
}


@pytest.mark.parametrize(
    ("word", "kind"), [(word, kind) for kind, words in KINDS.items() for word in words.split()]
)
def test_finish_reason_is_matched_by_stem(word: str, kind: Finish | None) -> None:
    assert finish_of(word) is kind


@pytest.mark.parametrize("word", ["max_output_tokens", "MAX_TOKENS", "model_length", "truncated"])
def test_length_limit_is_stored_under_one_name(server: LLMServer, word: str) -> None:
    assert played(server, *TEXT, event({}, word), DONE).finish_reason == "length"


@pytest.mark.parametrize("word", ["network_error", "abort", "engine_error", "CANCELLED", "timeout"])
def test_broken_reply_fails_and_keeps_its_text(server: LLMServer, word: str) -> None:
    answer = played(server, *TEXT, event({}, word), DONE)
    assert answer.text == WHOLE
    assert type(answer.error) is errors.ProviderDown
    assert word.lower() in answer.error.details


@pytest.mark.parametrize("word", ["sensitive", "SPII", "refusal", "content-filter", "guardrail"])
def test_filtered_reply_fails_and_keeps_its_text(server: LLMServer, word: str) -> None:
    answer = played(server, *TEXT, event({}, word), DONE)
    assert answer.text == WHOLE
    assert type(answer.error) is errors.ContentFiltered


@pytest.mark.parametrize("word", ["other", "pause_turn", "LANGUAGE", "x" * 500, "{0} `a`"])
def test_unknown_finish_reason_is_named(server: LLMServer, word: str) -> None:
    answer = played(server, *TEXT, event({}, word), DONE)
    assert answer.text == WHOLE
    assert type(answer.error) is errors.UnknownFinish
    assert word.lower()[:40] in answer.error.sentence


def test_tool_call_fails_and_keeps_its_text(server: LLMServer) -> None:
    call = {"tool_calls": [{"index": 0, "function": {"name": "search", "arguments": "{}"}}]}
    answer = played(server, *TEXT, event(call), event({}, "tool_calls"), DONE)
    assert answer.text == WHOLE
    assert type(answer.error) is errors.ToolCallUnsupported


def test_finish_reason_as_an_object_is_read(server: LLMServer) -> None:
    answer = played(server, *TEXT, event({}, {"type": "max_tokens"}), DONE)
    assert answer.finish_reason == "length"


# --- as stored


@pytest.fixture
def make_reply(server: LLMServer, tmp_path: Any) -> Iterator[Callable[..., Message]]:
    config = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/p.db",
        "FIND_LOCAL_SERVERS": "false",
        "MAX_RETRIES": "0",
        "providers": {"acme": {"base_url": server.base_url, "models": ["m"]}},
    }
    service: ChatService = open_chat(config)

    def make(*events: bytes) -> Message:
        server.next(Script(events=events))
        me = service.as_owner("me")
        answer = me.messages.send(None, Submission("hello"), ReplySettings(model="acme/m"))
        for _ in me.messages.follow(answer.id):
            pass
        return me.conversations.open(answer.conversation_id).messages[-1]

    yield make
    service.close()


def test_only_a_good_end_is_stored_as_complete(make_reply: Callable[..., Message]) -> None:
    for word in ("network_error", "abort", "sensitive", "SPII", "other"):
        message = make_reply(*TEXT, event({}, word), DONE)
        assert (message.status, message.text, message.is_cut) == (Status.FAILED, WHOLE, True), word
    message = make_reply(*TEXT, event({}, "max_output_tokens"), DONE)
    assert (message.status, message.is_cut) == (Status.COMPLETE, True)
    message = make_reply(*TEXT, event({}, "end_turn"), DONE)
    assert (message.status, message.is_cut) == (Status.COMPLETE, False)


def test_lost_event_is_reported_below_a_complete_reply(make_reply: Callable[..., Message]) -> None:
    broken = raw(json.dumps({"choices": [{"delta": {"content": "x"}}]})[:-9].encode())
    message = make_reply(TEXT[0], broken, *TEXT[1:], STOP, DONE)
    assert (message.status, message.text) == (Status.COMPLETE, WHOLE)
    assert message.failure is not None
    assert message.failure.code == "partly_unreadable"
    assert "1 event" in message.failure.details

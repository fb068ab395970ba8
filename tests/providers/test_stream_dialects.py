"""Events that servers and gateways send outside of the specification, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chat import errors
from chat.domain.message import Usage
from tests.support.llm_server import LLMServer, Script
from tests.support.provider_replies import (
    DONE,
    STOP,
    TEXT,
    WHOLE,
    ask,
    event,
    played,
    raw,
)


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


# --- events that are no part of a reply

JUNK = {
    "ping with a time": b"event: ping\ndata: 2026-01-02 03:04:05.678901\n\n",
    "ping with an object": b'event: ping\ndata: {"type": "ping"}\n\n',
    "null": b"data: null\n\n",
    "true": b"data: true\n\n",
    "a number": b"data: 7\n\n",
    "an empty list": b"data: []\n\n",
    "an empty object": b"data: {}\n\n",
    "an empty string": b'data: ""\n\n',
    "a keep-alive word": b"data: keep-alive\n\n",
    "empty data": b"data:\n\ndata: \n\n",
    "an unknown field": b"x-trace: 1\nretry: 3000\nid: 7\n\n",
    "html": b"data: <!-- proxy -->\n\n",
    "half an object": b'data: {"object": "ping"\n\n',
    "a status": b'data: {"status": "processing", "message": "queued"}\n\n',
    "bytes that are not UTF-8": b"data: \xff\xfe\x80\n\n",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=list(JUNK))
@pytest.mark.parametrize("place", [0, 1, 3, 4], ids=["first", "early", "late", "last"])
def test_event_that_is_no_chunk_is_skipped(server: LLMServer, junk: bytes, place: int) -> None:
    events = [*TEXT, STOP]
    events.insert(place, junk)
    answer = played(server, *events, DONE)
    assert answer.error is None, answer.error.details if answer.error else ""
    assert (answer.text, answer.finish_reason) == (WHOLE, "stop")
    assert answer.problem is None


@pytest.mark.parametrize(
    "marker",
    [
        b"data:  [DONE]\n\n",
        b'data: "[DONE]"\n\n',
        b"data: [DONE] \r\n\r\n",
        b"data:[DONE]\n\n",
        b"data: [done]\n\n",
        b"data:\t[DONE]\n\n",
        b"event: done\ndata: {}\n\n",
        b"data: [DONE]",
    ],
)
@pytest.mark.parametrize("after", [b"", b"data: {oops\n\n", TEXT[0]], ids=["end", "junk", "text"])
def test_end_marker_is_recognized_in_every_spelling(
    server: LLMServer, marker: bytes, after: bytes
) -> None:
    answer = played(server, *TEXT, STOP, marker, after if marker.endswith(b"\n") else b"")
    assert (answer.text, answer.finish_reason, answer.problem) == (WHOLE, "stop", None)


LENIENT = {
    "a byte that is not UTF-8": (b'{"choices":[{"delta":{"content":"caf\xe9!"}}]}', "caf\ufffd!"),
    "a raw tab": (b'{"choices":[{"delta":{"content":"a\tb"}}]}', "a\tb"),
    "a raw line break": (b'{"choices":[{"delta":{"content":"a\nb"}}]}', "a\nb"),
    "a raw escape": (b'{"choices":[{"delta":{"content":"a\x1bb"}}]}', "a\x1bb"),
    "not a number": (b'{"choices":[{"delta":{"content":"a"},"logprobs":NaN}]}', "a"),
    "junk behind it": (b'{"choices":[{"delta":{"content":"a"}}]};', "a"),
    "two objects": (
        b'{"choices":[{"delta":{"content":"a"}}]}{"choices":[{"delta":{"content":"b"}}]}',
        "ab",
    ),
    "the field twice": (b'data: {"choices":[{"delta":{"content":"a"}}]}', "a"),
    "leading spaces": (b'   {"choices":[{"delta":{"content":"a"}}]}  ', "a"),
    "in an envelope": (b'{"code":0,"data":{"choices":[{"delta":{"content":"a"}}]}}', "a"),
    "in a list": (b'[{"choices":[{"delta":{"content":"a"}}]}]', "a"),
    "without a delta": (b'{"choices":[{"text":"a"}]}', "a"),
}


@pytest.mark.parametrize(("data", "text"), LENIENT.values(), ids=list(LENIENT))
def test_chunk_with_a_fault_is_read(server: LLMServer, data: bytes, text: str) -> None:
    answer = played(server, raw(data), STOP, DONE)
    assert (answer.text, answer.finish_reason, answer.problem) == (text, "stop", None)


@pytest.mark.parametrize(
    "broken",
    [
        b'{"choices": [{"delta"',
        b'{"choices":[{"index":0,"delta":{"content":"lost',
        b'"choices":[{"delta":{"content":"lost"}}]}',
        b"{'choices':[{'delta':{'content':'lost'}}]}",
        b'{"choices":[{"delta":{"content":lost}}]}',
    ],
)
def test_broken_chunk_is_reported_with_the_rest_of_the_reply(
    server: LLMServer, broken: bytes
) -> None:
    answer = played(server, TEXT[0], raw(broken), raw(broken), *TEXT[1:], STOP, DONE)
    assert (answer.text, answer.finish_reason) == (WHOLE, "stop")
    assert type(answer.problem) is errors.PartlyUnreadable
    assert "2 events could not be read" in answer.problem.details


def test_skipped_events_are_counted_in_the_details_of_a_failure(server: LLMServer) -> None:
    answer = played(server, TEXT[0], b"data: null\n\n", b"data: 7\n\n")
    assert type(answer.error) is errors.IncompleteReply
    assert "2 events" in answer.error.details


@pytest.mark.parametrize("body", [b"data: oops\n\n", b"data: 1\n\ndata: 2\n\n", b"data: {oops\n\n"])
@pytest.mark.parametrize("end", [b"", DONE], ids=["end", "done"])
def test_stream_without_a_readable_event_is_malformed(
    server: LLMServer, body: bytes, end: bytes
) -> None:
    answer = played(server, body, end)
    assert type(answer.error) is errors.MalformedResponse
    assert answer.error.details


# --- state across events


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([b'"hi \\ud83d"', b'"\\ude00 there"'], "hi \U0001f600 there"),
        ([b'"\\ud83d"', b'"\\ude00"'], "\U0001f600"),
        ([b'"a\\ud83d"', b'""', b'"\\ude00b"'], "a\U0001f600b"),
        ([b'"a\\ud83d"', b'"b"'], "a\ufffdb"),
        ([b'"a\\ud83d"', b'"\\ud83d\\ude00"'], "a\ufffd\U0001f600"),
        ([b'"a\\ude00b"'], "a\ufffdb"),
        ([b'"a\\ud83d"'], "a\ufffd"),
        ([b'"x\xf0\x9f"', b'"\x98\x80y"'], "x\U0001f600y"),
        ([b'"\xe4"', b'"\xb8"', b'"\xad!"'], "\u4e2d!"),
        ([b'"\\ud83d"', b'"\\udc4d"', b'"\\ud83c"', b'"\\udffd"'], "\U0001f44d\U0001f3fd"),
    ],
)
@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_character_cut_into_two_chunks_is_joined(
    server: LLMServer, pieces: list[bytes], text: str, field: str
) -> None:
    name = field.encode()
    events = [raw(b'{"choices":[{"delta":{"%s":%s}}]}' % (name, piece)) for piece in pieces]
    answer = played(server, *events, event({"content": "."}), STOP, DONE)
    found = answer.reasoning if field == "reasoning_content" else answer.text.removesuffix(".")
    assert found == text


def whole(content: Any = WHOLE, **more: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": content}, **more}


@pytest.mark.parametrize(
    "events",
    [
        [*TEXT, raw({"choices": [whole(delta={}, finish_reason="stop")]})],
        [*TEXT, raw({"choices": [whole(delta=None, finish_reason="stop")]})],
        [*TEXT, raw({"choices": [whole(finish_reason="stop")]})],
        [*TEXT, STOP, raw({"choices": [whole()]})],
        [*TEXT, raw({"choices": [whole("Alpha beta gamma.\n", finish_reason="stop")]})],
        [*TEXT, event({"content": ""}, "stop", choices=[whole(finish_reason="stop")])],
        [raw({"choices": [whole(finish_reason="stop")]})],
        [
            raw({"choices": [whole("Alpha ")]}),
            raw({"choices": [whole("Alpha beta ")]}),
            raw({"choices": [whole(finish_reason="stop")]}),
        ],
        [
            raw({"choices": [whole("Alpha ")]}),
            raw({"choices": [whole("beta ")]}),
            raw({"choices": [whole("gamma.", finish_reason="stop")]}),
        ],
        [
            event({"content": WHOLE + " " * 9 + "."}),
            event({"content": WHOLE + " " * 9 + "."}, "stop"),
        ],
    ],
)
def test_whole_message_is_not_added_to_its_parts(server: LLMServer, events: list[bytes]) -> None:
    answer = played(server, *events, DONE)
    assert answer.error is None
    assert answer.text.rstrip(" .") == WHOLE.rstrip(".")


def test_repeated_short_words_are_kept(server: LLMServer) -> None:
    assert played(server, event({"content": "ha"}), event({"content": "ha"}, "stop")).text == "haha"


@pytest.mark.parametrize(
    ("reports", "counts"),
    [
        ([{"prompt_tokens": 7}, {"completion_tokens": 3}], (7, 3)),
        ([(7, 0), (0, 3)], (7, 3)),
        ([(7, 1), (7, 2)], (7, 2)),
        ([(0, 0), (7, 3)], (7, 3)),
        ([{"input_tokens": 7}, {"output_tokens": 3}], (7, 3)),
        ([(0, 0), (7.0, 3.0)], (7, 3)),
        ([(7, 0), (0, 3), (0, 0)], (7, 3)),
        ([(7, 3), (0, 0)], None),
        ([(7, 1)], None),
        ([(None, "3")], None),
        ([(True, -3)], None),
        ([(0, 0)], None),
    ],
)
def test_usage_of_several_chunks_is_merged(
    server: LLMServer, reports: list[Any], counts: tuple[int, int] | None
) -> None:
    names = ("prompt_tokens", "completion_tokens")
    usages = [
        each if isinstance(each, dict) else dict(zip(names, each, strict=True)) for each in reports
    ]
    first, *rest = [event(usage=each) for each in usages]
    expected = Usage(*counts, is_reported=True) if counts else None
    assert played(server, first, *TEXT, STOP, *rest, DONE).usage == expected


def test_usage_inside_a_choice_is_read(server: LLMServer) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    choice = {"delta": {}, "finish_reason": "stop", "usage": usage}
    answer = played(server, *TEXT, raw({"choices": [choice]}), DONE)
    assert answer.usage == Usage(7, 3, is_reported=True)


# --- errors outside of `data: {"error": …}`

Kind = type[errors.ProviderError]
SHAPES: dict[str, tuple[bytes, Kind, str]] = {
    "a field called error": (
        b'error: {"code":400,"message":"exceeds the available context size"}\n\n',
        errors.ContextTooLong,
        "available context size",
    ),
    "a field called error with words": (
        b"error: rate limit reached\n\n",
        errors.RateLimited,
        "rate limit",
    ),
    "an event called error with words": (
        b"event: error\ndata: the model is overloaded\n\n",
        errors.ProviderDown,
        "overloaded",
    ),
    "a bare line": (b'{"error":{"message":"boom","code":503}}\n\n', errors.ProviderDown, "boom"),
    "base_resp": (
        raw({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
        errors.NoCredit,
        "insufficient balance",
    ),
    "base_resp beside choices": (
        raw({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
        errors.RateLimited,
        "rate limit",
    ),
    "code and message": (
        raw({"code": 429, "message": "slow down"}),
        errors.RateLimited,
        "slow down",
    ),
    "code as text and msg": (
        raw({"code": "InvalidApiKey", "msg": "Invalid API key provided"}),
        errors.WrongKey,
        "Invalid API key",
    ),
    "detail": (raw({"detail": "Internal failure"}), errors.ProviderDown, "Internal failure"),
    "detail as a list": (
        raw({"detail": [{"loc": ["body", "top_k"], "msg": "field required"}]}),
        errors.ProviderDown,
        "body.top_k: field required",
    ),
    "errors": (
        raw({"success": False, "errors": [{"code": 5007, "message": "No such model m"}]}),
        errors.UnknownModel,
        "No such model",
    ),
    "errors as texts": (raw({"errors": ["it broke", "twice"]}), errors.ProviderDown, "it broke"),
    "fault": (
        raw({"fault": {"faultstring": "Rate limit quota violation", "detail": {"errorcode": "x"}}}),
        errors.RateLimited,
        "quota violation",
    ),
    "error_msg": (
        raw({"error_code": 336501, "error_msg": "Open api too many requests"}),
        errors.RateLimited,
        "too many requests",
    ),
    "an object called error": (
        raw({"object": "error", "message": "broken pipe", "code": 50001}),
        errors.ProviderDown,
        "broken pipe",
    ),
    "a type called error": (
        raw({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        errors.ProviderDown,
        "Overloaded",
    ),
    "a problem document": (
        raw({"title": "Too Many Requests", "status": 429, "detail": "Too fast"}),
        errors.RateLimited,
        "Too fast",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "kind", "words"), SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("has_text", [False, True], ids=["first", "after text"])
def test_error_in_a_stream_keeps_the_words_of_the_provider(
    server: LLMServer, data: bytes, kind: Kind, words: str, has_text: bool
) -> None:
    answer = played(server, *(TEXT if has_text else ()), data, DONE)
    assert answer.text == (WHOLE if has_text else "")
    assert answer.error is not None
    assert words in answer.error.details
    assert type(answer.error) is kind


DOCUMENTS: dict[str, tuple[Any, Kind, str]] = {
    "an unknown path": (
        {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
        errors.MalformedResponse,
        "Unexpected endpoint",
    ),
    "code and message": ({"code": 401, "message": "bad token"}, errors.WrongKey, "bad token"),
    "detail": ({"detail": "Not Found"}, errors.MalformedResponse, "Not Found"),
    "base_resp": (
        {"base_resp": {"status_code": 1004, "status_msg": "rate limit"}},
        errors.RateLimited,
        "rate limit",
    ),
    "failed": ({"status": "failed", "message": "worker died"}, errors.ProviderDown, "worker died"),
    "a list": ([{"error": {"code": 429, "message": "slow"}}], errors.RateLimited, "slow"),
    "no success": ({"success": False, "message": "Sorry"}, errors.ProviderDown, "Sorry"),
}


@pytest.mark.parametrize(("body", "kind", "words"), DOCUMENTS.values(), ids=list(DOCUMENTS))
def test_error_in_a_good_response_keeps_the_words_of_the_provider(
    server: LLMServer, body: Any, kind: Kind, words: str
) -> None:
    server.next(Script(raw=json.dumps(body)))
    answer = ask(server.base_url)
    assert type(answer.error) is kind
    assert words in answer.error.details


def test_good_status_beside_a_reply_is_no_error(server: LLMServer) -> None:
    good = {"base_resp": {"status_code": 0, "status_msg": ""}, "code": 200, "message": "ok"}
    answer = played(server, *TEXT, event({}, "stop", **good), raw(good), DONE)
    assert answer.is_complete


def test_lines_of_json_in_place_of_events_are_read(server: LLMServer) -> None:
    lines = [line.removeprefix(b"data: ").replace(b"\n\n", b"\n") for line in (*TEXT, STOP)]
    answer = played(server, *lines)
    assert (answer.text, answer.finish_reason) == (WHOLE, "stop")

"""Refusals that Parley answers with another request, and the ones that it names, over a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from chat import errors
from chat.domain.message import Role
from chat.providers.base import Picture, Request, Turn
from chat.providers.openai_compatible.adaptations import find_parameter_fix
from chat.providers.openai_compatible.error_body import parse_error_body
from tests.support.llm_server import LLMServer, Script
from tests.support.provider_replies import OK, Answer, ask

WHOLE = {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}
Body = dict[str, Any]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def server(shared_server: LLMServer) -> LLMServer:
    shared_server.reset()
    return shared_server


def ask_refusing(
    server: LLMServer,
    is_refused: Callable[[Body], bool],
    message: str,
    request: Request | None = None,
    status: int = 400,
    **fields: Any,
) -> Answer:
    """Return the reply of a server that refuses some bodies with `message`."""
    refusal = Script(status=status, body={"error": {"message": message, **fields}})

    def choose(body: Body) -> Script:
        if is_refused(body):
            return refusal
        return OK if body["stream"] else Script(raw=json.dumps(WHOLE))

    server.default = Script(choose=choose)
    return ask(server.base_url, request=request)


def sent(server: LLMServer) -> list[Body]:
    return [seen.body for seen in server.requests]


def cap(body: Body) -> int:
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)


# --- the reply length and the window

TOO_LONG_TOGETHER = [
    "This model's maximum context length is 4096 tokens. However, you requested 4108 tokens (12 in "
    "the messages, 4096 in the completion). Please reduce the length of the completion.",
    "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context "
    "length is 4096 tokens and your request has 12 input tokens (4096 > 4096 - 12).",
    "input length and `max_tokens` exceed context limit: 12 + 4096 > 4,096, decrease input length",
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 12 `inputs` tokens and 4096 "
    "`max_new_tokens`. Reduce the context length.",
    "Requested token count exceeds the maximum context length of 4096 tokens. You requested a "
    "total of 4108 tokens: 12 tokens from the input messages and 4096 tokens for the completion.",
    "This endpoint's maximum context length is 4096 tokens. However, you requested about 4108 "
    "tokens (12 of text input, 4096 in the output). Please reduce the length of either one.",
]


@pytest.mark.parametrize("message", TOO_LONG_TOGETHER)
def test_reply_length_is_lowered_to_the_rest_of_the_window(server: LLMServer, message: str) -> None:
    answer = ask_refusing(server, lambda body: cap(body) > 4084, message)
    assert answer.text == "ok"
    assert [cap(body) for body in sent(server)] == [4096, 4084]


def test_reply_length_is_omitted_if_the_lower_one_is_refused_too(server: LLMServer) -> None:
    answer = ask_refusing(server, lambda body: cap(body) > 0, TOO_LONG_TOGETHER[0])
    assert answer.text == "ok"
    assert [cap(body) for body in sent(server)] == [4096, 4084, 0]


@pytest.mark.parametrize(
    "message",
    [
        "The prompt and max_tokens together exceed the context length.",
        "Please reduce the length of the messages or completion.",
        "Context window exceeded: lower the number of output tokens.",
    ],
)
def test_reply_length_is_omitted_if_the_message_holds_no_numbers(
    server: LLMServer, message: str
) -> None:
    assert ask_refusing(server, lambda body: cap(body) > 0, message).text == "ok"
    assert [cap(body) for body in sent(server)] == [4096, 0]


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in "
        "9000 tokens. Please reduce the length of the messages.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "the request exceeds the available context size, try increasing it",
        "This model's maximum context length is 4096 tokens. However, you requested 8190 tokens "
        "(4094 in the messages, 4096 in the completion).",
    ],
)
def test_conversation_that_alone_is_too_long_is_not_asked_again(
    server: LLMServer, message: str
) -> None:
    answer = ask_refusing(server, lambda body: True, message)
    assert type(answer.error) is errors.ContextTooLong
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("message", "lower"),
    [
        (
            "max_tokens is too large: 4096. This model supports at most 1024 completion tokens.",
            1024,
        ),
        ("The maximum allowed number of output tokens is 2048, but 4096 were requested", 2048),
        ("Requested completion of 4096 tokens exceeds the maximum allowed: 1,000", 1000),
        ("max_completion_tokens must be between 1 and 3000", 3000),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 512]", 512),
        ("`max_tokens` must be less than or equal to `800`", 800),
        ("the maximum value for max_tokens is reached", 0),
    ],
)
def test_reply_length_is_lowered_to_the_maximum(
    server: LLMServer, message: str, lower: int
) -> None:
    answer = ask_refusing(server, lambda body: cap(body) > lower, message)
    assert answer.text == "ok"
    assert [cap(body) for body in sent(server)] == [4096, lower]


# --- the system prompt

NO_SYSTEM = [
    "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
    "System role not supported",
    "Developer instruction is not enabled for models/gemma-3-27b-it",
    "Conversation roles must alternate user/assistant/user/assistant/...",
    "Input should be 'user' or 'assistant'",
    "Only user and assistant roles are supported!",
    "invalid role: system",
    "This model does not accept a system prompt.",
]


def has_system(body: Body) -> bool:
    return any(each["role"] == "system" for each in body["messages"])


@pytest.mark.parametrize("message", NO_SYSTEM)
def test_system_prompt_is_moved_into_the_question(server: LLMServer, message: str) -> None:
    request = Request("m", (Turn(Role.USER, "hello"),), system_prompt="Be brief.")
    answer = ask_refusing(server, has_system, message, request)
    assert answer.text == "ok"
    assert sent(server)[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nhello"}]


def test_system_prompt_is_moved_before_pictures(server: LLMServer) -> None:
    turn = Turn(Role.USER, "look", (Picture("image/png", b"x"),))
    request = Request("m", (turn,), system_prompt="Be brief.")
    assert ask_refusing(server, has_system, NO_SYSTEM[1], request).text == "ok"
    parts = sent(server)[-1]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "text", "image_url"]


@pytest.mark.parametrize("message", NO_SYSTEM[:3])
def test_refusal_of_a_system_prompt_that_was_not_sent_names_the_request(
    server: LLMServer, message: str
) -> None:
    answer = ask_refusing(server, lambda body: True, message)
    assert type(answer.error) is errors.BadRequest
    assert len(server.requests) == 1


# --- streaming

NO_STREAM = [
    "Unsupported value: 'stream' does not support true with this model. Only the default (false) "
    "value is supported.",
    "Streaming is not supported for this model",
    "This model does not support streaming.",
    "stream must be false",
    "Your organization must be verified to stream this model. Please go to the settings.",
    "unsupported option: stream",
]


@pytest.mark.parametrize("message", NO_STREAM)
@pytest.mark.parametrize("status", [400, 403, 422])
def test_reply_is_asked_in_one_piece_if_streaming_is_refused(
    server: LLMServer, message: str, status: int
) -> None:
    answer = ask_refusing(server, lambda body: body["stream"], message, status=status)
    assert (answer.text, answer.finish_reason) == ("ok", "stop")
    assert "stream_options" not in sent(server)[-1]


@pytest.mark.parametrize(("status", "is_lasting"), [(400, True), (422, True), (500, False)])
@pytest.mark.parametrize("message", ["stream is not supported", "stream closed: not supported"])
def test_adaptation_is_remembered_after_a_client_error_only(
    message: str, status: int, is_lasting: bool
) -> None:
    refusal = parse_error_body(status, json.dumps({"error": {"message": message}}).encode())
    fix = find_parameter_fix(refusal, {"stream": True}, {}, "max_tokens")
    assert fix is not None
    assert fix.is_lasting is is_lasting


def test_all_adaptations_are_combined(server: LLMServer) -> None:
    def refusal(body: Body) -> str:
        if body["stream"]:
            return NO_STREAM[0]
        if has_system(body):
            return NO_SYSTEM[1]
        if "temperature" in body:
            return "temperature is not supported with this model"
        return TOO_LONG_TOGETHER[0] if cap(body) > 4084 else ""

    def choose(body: Body) -> Script:
        message = refusal(body)
        error = {"error": {"message": message}}
        return Script(status=400, body=error) if message else Script(raw=json.dumps(WHOLE))

    server.default = Script(choose=choose)
    turns = (Turn(Role.USER, "hello"),)
    request = Request("m", turns, system_prompt="x", temperature=1.0, max_tokens=4096)
    assert ask(server.base_url, request=request).text == "ok"
    assert len(server.requests) == 5


# --- causes without an adaptation


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "Your organization must be verified to use it.", errors.OrganizationUnverified),
        (404, "Your organization must be verified to use the model `o9`. Go to the settings.",
         errors.OrganizationUnverified),
        (400, "Please verify your organization", errors.OrganizationUnverified),
        (401, "unverified account", errors.OrganizationUnverified),
        (403, "This project has not been verified.", errors.OrganizationUnverified),
        (404, "Unknown request URL: POST /chat/completions.", errors.MalformedResponse),
        (404, "Cannot POST /chat/completions", errors.MalformedResponse),
        (400, "Unexpected endpoint or method. (POST /chat/completions)", errors.MalformedResponse),
        (405, "Method Not Allowed", errors.MalformedResponse),
        (404, "no route for this path", errors.MalformedResponse),
        (404, "The model `m` does not exist", errors.UnknownModel),
    ],
)  # fmt: skip
def test_refusal_without_an_adaptation_names_its_cause(
    server: LLMServer, status: int, message: str, kind: type[errors.ProviderError]
) -> None:
    answer = ask_refusing(server, lambda body: True, message, status=status)
    assert type(answer.error) is kind
    assert message in answer.error.details
    assert len(server.requests) == 1


WAITS: list[tuple[Any, float]] = [
    (
        {"error": {"message": "Slow", "details": [{"@type": "x.RetryInfo", "retryDelay": "34s"}]}},
        34,
    ),
    ([{"error": {"code": 429, "message": "Quota exceeded. Please retry in 34.5s."}}], 34.5),
    ({"error": {"message": "Rate limit reached. Please try again in 1m30s."}}, 90),
    ({"error": {"message": "Please try again in 6m0s. Visit the site."}}, 360),
    ({"error": {"message": "Please wait 30 seconds before retrying"}}, 30),
    ({"error": {"message": "Try again in 850ms"}}, 0.85),
    ({"error": {"message": "Limit resets in 2 hours and 5 minutes"}}, 7500),
    ({"detail": "slow", "retry_after": 12}, 12),
    ({"error": {"message": "slow", "retry_after_ms": 1500}}, 1.5),
    ({"message": "You are being rate limited.", "retry_after": 64.57}, 64.57),
]


@pytest.mark.parametrize(("body", "seconds"), WAITS)
def test_wait_in_the_body_sets_the_countdown(server: LLMServer, body: Any, seconds: float) -> None:
    server.next(Script(status=429, body=body))
    begun = datetime.now(UTC)
    answer = ask(server.base_url)
    assert type(answer.error) is errors.RateLimited
    assert answer.error.retry_at is not None
    assert abs((answer.error.retry_at - begun).total_seconds() - seconds) < 5


@pytest.mark.parametrize(
    "message",
    [
        "Rate limit: 20 requests per 60s",
        "Limit 30000, used 29000 in the last 5 minutes",
        "Slow down",
    ],
)
def test_other_durations_are_no_countdown(server: LLMServer, message: str) -> None:
    server.next(Script(status=429, body={"error": {"message": message}}))
    answer = ask(server.base_url)
    assert answer.error is not None
    assert answer.error.retry_at is None


def test_long_wait_in_the_body_is_not_retried(server: LLMServer) -> None:
    body = {"error": {"message": "Please try again in 34s."}}
    server.default = Script(status=429, body=body)
    ask(server.base_url, max_retries=2)
    assert len(server.requests) == 1

"""Requests, reply parsing and model discovery, with `httpx2.MockTransport` and no sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.domain.message import Role, Usage
from chat.providers.base import Delta, Request, Turn
from chat.providers.openai_compatible.client import OpenAIProvider
from chat.providers.openai_compatible.reasoning_tags import ThinkTagSplitter
from chat.providers.openai_compatible.request_body import CONTINUE_PROMPT
from chat.providers.openai_compatible.stream_parser import ReplyParser

STANDARD = Endpoint("openai", "OpenAI", "https://api.openai.com/v1", "a-key", is_standard=True)
OTHER = Endpoint("acme", "Acme", "http://acme.test/v1", "a-key")
HELLO = (Turn(Role.USER, "hello"),)
Handler = Callable[[httpx2.Request], httpx2.Response]


def provider(handler: Handler, endpoint: Endpoint = OTHER, **more: Any) -> OpenAIProvider:
    settings = Settings(values={}, max_retries=0)
    return OpenAIProvider(endpoint, settings, transport=httpx2.MockTransport(handler), **more)


def collect(acme: OpenAIProvider, request: Request) -> list[Delta]:
    async def run() -> list[Delta]:
        try:
            return [delta async for delta in acme.stream(request)]
        finally:
            await acme.close()

    return asyncio.run(run())


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"choices": choices, **more}).encode() + b"\n\n"


DONE = event({}, "stop") + b"data: [DONE]\n\n"


def answering(body: bytes, **more: Any) -> Handler:
    headers = {"content-type": "text/event-stream"}
    return lambda request: httpx2.Response(200, content=body, headers=headers, **more)


def sent(request: Request, endpoint: Endpoint = OTHER) -> tuple[dict[str, Any], httpx2.Headers]:
    seen: list[httpx2.Request] = []

    def handler(got: httpx2.Request) -> httpx2.Response:
        seen.append(got)
        return httpx2.Response(200, content=event({"content": "hi"}) + DONE)

    collect(provider(handler, endpoint), request)
    return json.loads(seen[0].content), seen[0].headers


def read(body: bytes) -> tuple[str, str, Delta]:
    """Return (text, reasoning, last delta) of a reply with this body."""
    deltas = collect(provider(answering(body)), Request("m", HELLO))
    text = "".join(delta.text for delta in deltas)
    return text, "".join(delta.reasoning for delta in deltas), deltas[-1]


def failure(body: bytes) -> errors.ProviderError:
    with pytest.raises(errors.ProviderError) as caught:
        read(body)
    return caught.value


# --- requests


def test_turns_are_sent_after_the_system_prompt() -> None:
    turns = (Turn(Role.USER, "one"), Turn(Role.ASSISTANT, "two"), Turn(Role.USER, "three"))
    body, headers = sent(Request("m", turns, system_prompt="be brief"))
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert body["messages"][0]["content"] == "be brief"
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert headers["authorization"] == "Bearer a-key"


def test_unset_parameters_are_not_sent() -> None:
    body, _ = sent(Request("m", HELLO))
    assert set(body) == {"model", "messages", "stream", "stream_options"}


def test_temperature_of_zero_is_sent() -> None:
    assert sent(Request("m", HELLO, temperature=0.0))[0]["temperature"] == 0.0


@pytest.mark.parametrize(
    ("endpoint", "name"), [(STANDARD, "max_completion_tokens"), (OTHER, "max_tokens")]
)
def test_reply_length_limit_uses_the_parameter_name_of_the_endpoint(
    endpoint: Endpoint, name: str
) -> None:
    body, _ = sent(Request("m", HELLO, max_tokens=9), endpoint)
    assert body[name] == 9
    assert len({"max_tokens", "max_completion_tokens"} & set(body)) == 1


def test_continue_sends_the_partial_answer_and_the_continue_prompt() -> None:
    body, _ = sent(Request("m", HELLO, partial_answer="Once upon"))
    assert body["messages"][-2:] == [
        {"role": "assistant", "content": "Once upon"},
        {"role": "user", "content": CONTINUE_PROMPT},
    ]


def test_openai_organization_from_the_environment_is_sent_to_openai_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    assert sent(Request("m", HELLO), STANDARD)[1].get("openai-organization") == "org-1"
    assert "openai-organization" not in sent(Request("m", HELLO), OTHER)[1]


def test_endpoint_without_a_key_gets_a_placeholder_key() -> None:
    _, headers = sent(Request("m", HELLO), Endpoint("free", "Free", "http://free.test/v1"))
    assert headers["authorization"] == "Bearer no-key-needed"


def refusing(*messages: str) -> tuple[Handler, list[dict[str, Any]]]:
    """Return a server that sends each error message once and then a reply, and its requests."""
    pending, bodies = list(messages), []

    def handler(request: httpx2.Request) -> httpx2.Response:
        bodies.append(json.loads(request.content))
        if pending:
            return httpx2.Response(400, json={"error": {"message": pending.pop(0)}})
        return httpx2.Response(200, content=event({"content": "ok"}) + DONE)

    return handler, bodies


def test_two_refused_parameters_are_both_omitted() -> None:
    handler, bodies = refusing(
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "'temperature' does not support 0.2 with this model.",
    )
    collect(provider(handler), Request("m", HELLO, temperature=0.2, max_tokens=5))
    assert bodies[-1]["max_completion_tokens"] == 5
    assert not {"temperature", "max_tokens"} & set(bodies[-1])


def test_length_limit_out_of_range_is_lowered_for_one_call() -> None:
    handler, bodies = refusing("max_tokens is too large: 9000. At most 4096 are possible.")
    acme = provider(handler)

    async def run() -> None:
        for limit in (9000, 100):
            async for _ in acme.stream(Request("m", HELLO, max_tokens=limit)):
                pass
        await acme.close()

    asyncio.run(run())
    assert [body.get("max_tokens") for body in bodies] == [9000, 4096, 100]


def test_parameter_refused_by_one_model_is_still_sent_to_others() -> None:
    handler, bodies = refusing("temperature is not supported")
    acme = provider(handler)

    async def run() -> None:
        for model in ("a", "a", "b"):
            async for _ in acme.stream(Request(model, HELLO, temperature=0.2)):
                pass
        await acme.close()

    asyncio.run(run())
    assert [body.get("temperature") for body in bodies] == [0.2, None, None, 0.2]


# --- reply parsing


def test_usage_after_the_finish_reason_is_part_of_the_last_delta() -> None:
    usage = event(usage={"prompt_tokens": 3, "completion_tokens": 2})
    body = event({"content": "Hel"}) + event({"content": "lo"}) + event({}, "stop") + usage
    text, _, last = read(body + b"data: [DONE]\n\n")
    assert text == "Hello"
    assert last == Delta(finish_reason="stop", usage=Usage(3, 2, is_reported=True))


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        # The first event reports the prompt only, as some gateways do.
        (event({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1}), (3, 1)),
        (
            event({"content": ""}, usage={"prompt_tokens": 3, "completion_tokens": 1})
            + event({"content": "a"}),
            None,
        ),
        (
            event({"content": ""}, usage={"prompt_tokens": 3}) + event({"reasoning": "a"}),
            None,
        ),
        # Gemini and xAI leave reasoning out of `completion_tokens`.
        (
            event(
                {"content": "a"},
                usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 904},
            ),
            (3, 901),
        ),
        (
            event(
                {"content": "a"},
                usage={"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 0},
            ),
            (3, 7),
        ),
    ],
)
def test_usage_covers_the_whole_reply(body: bytes, usage: tuple[int, int] | None) -> None:
    last = read(body + DONE)[2]
    assert last.usage == (Usage(*usage, is_reported=True) if usage else None)


def test_usage_of_an_incomplete_reply_is_not_yielded() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    parser = ReplyParser("Acme", lambda body: errors.ProviderError("Acme"))
    deltas = [*parser.feed(event({"content": "a"}, usage=usage)), *parser.flush()]
    assert [delta.usage for delta in deltas] == [None]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_read_from_either_field(field: str) -> None:
    text, reasoning, _ = read(event({field: "hmm"}) + event({"content": "yes"}) + DONE)
    assert (text, reasoning) == ("yes", "hmm")


def test_reasoning_in_both_fields_is_read_once() -> None:
    body = event({"reasoning": "hmm", "reasoning_content": "hmm"}) + event({"content": "yes"})
    assert read(body + DONE)[1] == "hmm"


def test_reasoning_that_is_not_text_is_ignored() -> None:
    body = event({"reasoning": {"effort": "low"}}) + event({"content": "yes"})
    assert read(body + DONE)[:2] == ("yes", "")


def test_content_as_a_list_of_parts_is_read() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hmm"}]}
    body = event({"content": [thinking, {"type": "text", "text": "yes"}]})
    assert read(body + DONE)[:2] == ("yes", "hmm")


def test_refusal_is_read_as_text() -> None:
    assert read(event({"refusal": "I cannot."}) + DONE)[0] == "I cannot."


def test_reply_of_reasoning_only_may_end_at_the_length_limit() -> None:
    _, reasoning, last = read(event({"reasoning": "hmm"}) + event({}, "length"))
    assert (reasoning, last.finish_reason) == ("hmm", "length")


def test_lone_surrogate_becomes_a_replacement_character() -> None:
    body = b'data: {"choices":[{"delta":{"content":"a\\ud83d"},"finish_reason":"stop"}]}\n\n'
    assert read(body)[0] == "a\ufffd"


def test_events_without_empty_lines_are_read() -> None:
    body = (event({"content": "a"}) + event({"content": "b"}) + DONE).replace(b"\n\n", b"\n")
    assert read(body)[0] == "ab"


def test_json_document_in_place_of_a_stream_is_read() -> None:
    message = {"role": "assistant", "content": "<think>hmm</think>yes"}
    choice = {"message": message, "finish_reason": "stop"}
    text, reasoning, last = read(json.dumps({"choices": [choice]}).encode())
    assert (text, reasoning, last.finish_reason) == ("yes", "hmm", "stop")


TEXT = event({"content": "a"})
BAD_ENDS = {
    "no finish": (TEXT, errors.IncompleteReply),
    "done without finish": (TEXT + b"data: [DONE]\n\n", errors.IncompleteReply),
    "half an event": (TEXT + b'data: {"choices"', errors.IncompleteReply),
    "nothing at all": (b"", errors.MalformedResponse),
    "plain text": (b"Welcome to this server\n", errors.MalformedResponse),
    "html": (b"<html></html>", errors.MalformedResponse),
    "another document": (b'{"status": "ok"}', errors.MalformedResponse),
    "a number": (TEXT + b"data: 7\n\n", errors.IncompleteReply),
    "empty": (DONE, errors.EmptyReply),
    "only white space": (event({"content": " \n \n "}) + DONE, errors.EmptyReply),
    "only blank thinking": (event({"content": "<think>\n</think>\n"}) + DONE, errors.EmptyReply),
    "only done": (b"data: [DONE]\n\n", errors.EmptyReply),
    "filter": (TEXT + event({}, "content_filter"), errors.ContentFiltered),
    "error in a document": (b'{"error": {"message": "slow", "code": 429}}', errors.RateLimited),
    "error as text": (TEXT + b'data: {"error": "out of memory"}\n\n', errors.ProviderDown),
    "error as an event": (TEXT + b'event: error\ndata: {"message": "x"}\n\n', errors.ProviderDown),
    "error in a list": (b'[{"error": {"code": 429, "message": "x"}}]', errors.RateLimited),
    "broken choice": (TEXT + event({}, "error"), errors.ProviderDown),
}


@pytest.mark.parametrize(("body", "kind"), BAD_ENDS.values(), ids=list(BAD_ENDS))
def test_incomplete_reply_raises_an_error(body: bytes, kind: type[errors.ProviderError]) -> None:
    assert type(failure(body)) is kind


def test_usage_before_a_failure_is_yielded() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    body = event({"content": "a"}, usage=usage) + event({}, "content_filter")
    deltas: list[Delta] = []

    async def run() -> None:
        acme = provider(answering(body))
        try:
            async for delta in acme.stream(Request("m", HELLO)):
                deltas.append(delta)
        finally:
            await acme.close()

    with pytest.raises(errors.ContentFiltered):
        asyncio.run(run())
    assert deltas[-1].usage == Usage(3, 1, is_reported=True)


WHOLE = (
    b"\xef\xbb\xbf: hello\r\n\r\n"
    + event({"role": "assistant"}).replace(b"\n", b"\r\n")
    + event({"content": " \n<think>why ünï"})
    + event({"content": "code?</think>\n\nBecause </think> <think>🙂"})
    + event({}, "stop")
    + event(usage={"prompt_tokens": 1, "completion_tokens": 9})
    + b"data: [DONE]"
)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_parser_result_does_not_depend_on_chunk_boundaries(cuts: list[int]) -> None:
    reader = ReplyParser("Acme", lambda body: errors.ProviderError("Acme"))
    edges = [0, *sorted(cuts), len(WHOLE)]
    deltas = [delta for a, b in pairwise(edges) for delta in reader.feed(WHOLE[a:b])]
    deltas += reader.finish()
    assert "".join(delta.text for delta in deltas) == "Because </think> <think>🙂"
    assert "".join(delta.reasoning for delta in deltas) == "why ünïcode?"
    assert deltas[-1].usage == Usage(1, 9, is_reported=True)


@given(st.text(alphabet="<think>/ \na", max_size=30), st.lists(st.integers(0, 60), max_size=8))
def test_think_tag_splitter_result_does_not_depend_on_chunk_boundaries(
    text: str, cuts: list[int]
) -> None:
    def split(pieces: list[str]) -> tuple[str, str]:
        splitter = ThinkTagSplitter()
        found = [*map(splitter.feed, pieces), splitter.finish()]
        return "".join(each[0] for each in found), "".join(each[1] for each in found)

    text = "<think>" + text
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    assert split(pieces) == split([text])


@pytest.mark.parametrize("text", ["<thin", "I say <think>no</think>", "  <b>", "<", " \n "])
def test_text_without_a_leading_think_tag_is_unchanged(text: str) -> None:
    splitter = ThinkTagSplitter()
    assert "".join([*(splitter.feed(c)[1] for c in text), splitter.finish()[1]]) == text


def test_error_never_contains_the_key() -> None:
    handler: Handler = lambda request: httpx2.Response(  # noqa: E731
        418, text=f"no tea for {request.headers['authorization']} at http://u:pa55word@acme.test"
    )
    endpoint = Endpoint("acme", "Acme", "http://u:pa55word@acme.test/v1", "a-key")
    with pytest.raises(errors.BadRequest) as caught:
        collect(provider(handler, endpoint), Request("m", HELLO))
    shown = f"{caught.value!r} {caught.value.details}"
    assert "a-key" not in shown
    assert "pa55word" not in shown
    assert "a-key" not in repr(endpoint)


def test_unexpected_exception_becomes_a_provider_error(caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise RuntimeError(request.headers["authorization"])

    with pytest.raises(errors.ProviderError) as caught:
        collect(provider(handler), Request("m", HELLO))
    assert "a-key" not in caught.value.details + caplog.text
    assert "RuntimeError" in caplog.text


# --- discovery


def discovered(answer: Any, endpoint: Endpoint = OTHER, **more: Any) -> OpenAIProvider:
    acme = provider(lambda request: httpx2.Response(200, json=answer), endpoint, **more)

    async def run() -> None:
        await acme.discover()
        await acme.close()

    asyncio.run(run())
    return acme


def ids(acme: OpenAIProvider) -> list[str]:
    return [model.id for model in acme.models()]


def test_model_list_is_read_in_every_known_shape() -> None:
    shapes: list[Any] = [{"data": [{"id": "a"}]}, [{"id": "a"}], {"models": [{"name": "models/a"}]}]
    for shape in shapes:
        assert ids(discovered(shape)) == ["a"]


def test_models_that_do_not_chat_are_left_out() -> None:
    others = [
        "text-embedding-3-small", "whisper-1", "tts-1-hd", "dall-e-3", "gpt-image-1", "gpt-audio",
        "gpt-4o-realtime-preview", "omni-moderation-latest", "gpt-4o-transcribe", "sora-2",
        "bge-reranker-v2", "llama-guard-3-8b", "meta-llama/llama-prompt-guard-2-86m",
        "nomic-embed-text:latest", "text-embedding-ada-002", "gemini-2.5-flash-preview-tts",
        "imagen-4.0", "veo-3.0", "davinci-002", "mistral-ocr-latest", "gpt-3.5-turbo-instruct",
    ]  # fmt: skip
    chat = ["llama-3-vanguard", "olive-7b", "Llama-3.3-70B-Instruct-Turbo", "gpt-4o"]
    assert ids(discovered({"data": [{"id": each} for each in [*others, *chat]]})) == chat


def test_model_list_attributes_are_used() -> None:
    listing = [
        {"id": "a", "type": "embedding"},
        {"id": "b", "capabilities": {"completion_chat": False}},
        {"id": "c", "architecture": {"output_modalities": ["image"]}},
        {"id": "d", "active": False},
        {"id": "e", "type": "chat", "context_length": 10},
        {"id": "f", "meta": {"n_ctx_train": 20}},
        {"id": "g", "max_model_len": 30},
    ]
    windows = {model.id: model.window_tokens for model in discovered(listing).models()}
    assert windows == {"e": 10, "f": 20, "g": 30}


def test_models_are_ordered_configured_well_known_newest() -> None:
    listing = [
        {"id": "old", "created": 1},
        {"id": "new", "created": 9},
        {"id": "gpt-4.1", "created": 2},
    ]
    endpoint = Endpoint("openai", "OpenAI", "http://proxy.test/v1", models=("mine",))
    assert ids(discovered({"data": listing}, endpoint)) == ["mine", "gpt-4.1", "new", "old"]


def test_well_known_models_are_offered_before_discovery() -> None:
    acme = provider(answering(b""), STANDARD)
    assert acme.models()[0].window_tokens is not None
    assert ids(discovered({"data": [{"id": "x"}]}, STANDARD)) == ["x"]


def test_failed_discovery_keeps_the_previous_list_and_records_the_error() -> None:
    answers = [httpx2.Response(200, json=[{"id": "a"}]), httpx2.Response(401, json={})]
    acme = provider(lambda request: answers.pop(0))

    async def run() -> None:
        await acme.discover()
        assert acme.last_error is None
        await acme.discover()
        await acme.close()

    asyncio.run(run())
    assert ids(acme) == ["a"]
    assert isinstance(acme.last_error, errors.WrongKey)


def test_local_server_is_offered_only_while_it_returns_a_model_list() -> None:
    answers: list[httpx2.Response | None] = [
        httpx2.Response(200, text="<html>another program</html>"),
        httpx2.Response(200, json={"hello": "world"}),
        httpx2.Response(200, json={"data": [{"id": "llama"}]}),
        None,
    ]

    def handler(request: httpx2.Request) -> httpx2.Response:
        answer = answers.pop(0)
        if answer is None:
            raise httpx2.ConnectError("refused")
        return answer

    found = provider(handler, is_local=True)
    seen: list[tuple[bool, list[str]]] = []

    async def run() -> None:
        for _ in range(4):
            await found.discover()
            seen.append((found.is_live, ids(found)))
        await found.close()

    assert not found.models()
    asyncio.run(run())
    assert seen == [(False, []), (False, []), (True, ["llama"]), (False, [])]

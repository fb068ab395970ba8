"""Oversized responses: what is read of them, and the time to understand an error."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator

import httpx2
import pytest

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.domain.message import Role
from chat.providers.base import Request, Turn
from chat.providers.openai_compatible.client import OpenAIProvider
from chat.providers.openai_compatible.error_body import (
    MAX_ERROR_BYTES,
    parse_error_body,
    parse_error_value,
)
from chat.providers.openai_compatible.error_mapping import to_provider_error
from chat.providers.openai_compatible.http_client import MAX_DOCUMENT_BYTES

KEY = "sk-canary0123456789abcdef01"
MB = 2**20
REQUEST = Request("m", (Turn(Role.USER, "hello"),))


class EndlessBody(httpx2.AsyncByteStream):
    """A body of `size` bytes that counts what was read of it."""

    def __init__(self, size: int) -> None:
        self.size, self.read = size, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.read < self.size:
            self.read += 16_384
            yield b"model " * 2_730 + b"...."


def provider(response: httpx2.Response) -> OpenAIProvider:
    transport = httpx2.MockTransport(lambda request: response)
    endpoint = Endpoint("acme", "Acme", "http://acme.test/v1", KEY)
    return OpenAIProvider(endpoint, Settings(values={}, max_retries=0), transport=transport)


def fail(response: httpx2.Response) -> errors.ProviderError:
    async def run() -> None:
        acme = provider(response)
        try:
            async for _ in acme.stream(REQUEST):
                pass
        finally:
            await acme.close()

    with pytest.raises(errors.ProviderError) as caught:
        asyncio.run(run())
    return caught.value


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500])
def test_only_the_beginning_of_an_oversized_error_is_read(status: int) -> None:
    body = EndlessBody(64 * MB)
    fail(httpx2.Response(status, stream=body))
    assert body.read <= 2 * MAX_ERROR_BYTES


def test_only_the_beginning_of_an_oversized_model_list_is_read() -> None:
    body = EndlessBody(64 * MB)
    acme = provider(httpx2.Response(200, stream=body))
    asyncio.run(acme.discover())
    assert body.read <= 2 * MAX_DOCUMENT_BYTES
    assert isinstance(acme.last_error, errors.MalformedResponse)


def test_model_list_with_too_many_entries_is_cut() -> None:
    listed = [{"id": f"m{number}"} for number in range(50_000)]
    acme = provider(httpx2.Response(200, json={"data": listed}))
    asyncio.run(acme.discover())
    assert len(acme.models()) == 5_000


def test_compressed_error_is_decoded_and_cut() -> None:
    body = gzip.compress(json.dumps({"error": {"message": "bad" * 10 * MB}}).encode())
    headers = {"content-encoding": "gzip"}
    assert isinstance(fail(httpx2.Response(400, content=body, headers=headers)), errors.BadRequest)


def test_error_below_the_limit_is_read_completely() -> None:
    message = f"{'x' * 30_000} {KEY}"
    error = fail(httpx2.Response(401, json={"error": {"message": message, "code": "no"}}))
    assert isinstance(error, errors.WrongKey) and KEY not in error.details


HOSTILE: dict[str, bytes] = {
    "message": json.dumps({"error": {"message": "model " * (32 * MB // 6)}}).encode(),
    "text": b"invalid api key " * (2 * MB),
    "markup": b"<html>" * (5 * MB),
    "code": json.dumps({"error": {"code": "9" * 32 * MB}}).encode(),
    "detail": json.dumps({"detail": [{"msg": "not found"}] * MB}).encode(),
    "unclosed": b"[" * (32 * MB),
    "dots": b'{"error": "' + b"image_url ." * (3 * MB),
    "url": b"://a:" * (6 * MB),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=list(HOSTILE))
def test_error_of_32_megabytes_is_understood_quickly(body: bytes) -> None:
    started = time.process_time()
    found = to_provider_error(
        parse_error_body(400, body), {}, provider="Acme", model="m", secrets=(KEY,)
    )
    assert time.process_time() - started < 0.5
    assert len(found.details) < 3_000


@pytest.mark.parametrize(
    "value",
    [
        {"error": {"message": "model " * (2 * MB)}},
        {"error": {"message": ["model"] * MB}},
        {"error": {"code": "7" * 10_000, "message": "x"}},
        {"error": {"code": "²", "message": "x"}},
        {"error": ["x" * MB] * 8},
        {"error": {"message": "x", "metadata": {"raw": "image " * (2 * MB)}}},
    ],
)
def test_error_inside_a_stream_is_understood_quickly(value: object) -> None:
    started = time.process_time()
    body = parse_error_value(None, value)
    to_provider_error(body, {}, provider="Acme", model="m", secrets=(KEY,))
    assert time.process_time() - started < 0.5
    assert len(body.message) <= 50_000


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("[", "]"),
        ('{"message": ', "}"),
        ('{"detail": [', "]}"),
        ('{"error": ', "}"),
        ('["a", ', "]"),
    ],
)
@pytest.mark.parametrize("depth", [10, 600, 900])
def test_deeply_nested_error_is_parsed(opening: str, closing: str, depth: int) -> None:
    content = f'{opening * depth}"x"{closing * depth}'.encode()
    assert parse_error_body(400, content).message

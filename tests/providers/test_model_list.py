"""What a provider calls its models is shown to everybody; its key is not."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from chat.config.settings import Endpoint, Settings
from chat.providers.openai_compatible.client import OpenAIProvider

KEY = "sk-Canary-4f9dK2mQ7xW1"


def offered(key: str, *ids: str) -> list[str]:
    told = {"data": [{"id": each} for each in ids]}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=told))
    endpoint = Endpoint("acme", "Acme", "http://acme.test/v1", key)
    acme = OpenAIProvider(endpoint, Settings(values={}, max_retries=0), transport=transport)

    async def run() -> None:
        await acme.discover()
        await acme.close()

    asyncio.run(run())
    return [model.id for model in acme.models()]


@pytest.mark.parametrize(
    "id_", [KEY, f"model-of-{KEY}", KEY.lower(), KEY.replace("-", "/"), KEY.replace("-", "%2D")]
)
def test_a_model_whose_name_holds_the_key_is_not_offered(id_: str) -> None:
    assert offered(KEY, "one", id_, "two") == ["one", "two"]


def test_a_key_that_is_a_word_takes_no_model_away() -> None:
    assert offered("lm-studio", "lm-studio/one") == ["lm-studio/one"]
    assert offered("local-models-only", "local-models-only/one") == ["local-models-only/one"]

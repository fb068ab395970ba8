"""Model ids from a provider are shown to all users, so ids that contain a key are left out."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from chat.config.settings import Endpoint, Settings
from chat.providers.openai_compatible.client import OpenAIProvider

KEY = "sk-Canary-4f9dK2mQ7xW1"


def offered_ids(key: str, *ids: str) -> list[str]:
    listing = {"data": [{"id": each} for each in ids]}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=listing))
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
def test_model_id_that_contains_the_key_is_not_offered(id_: str) -> None:
    assert offered_ids(KEY, "one", id_, "two") == ["one", "two"]


def test_key_that_is_a_plain_word_hides_no_model() -> None:
    assert offered_ids("lm-studio", "lm-studio/one") == ["lm-studio/one"]
    assert offered_ids("local-models-only", "local-models-only/one") == ["local-models-only/one"]

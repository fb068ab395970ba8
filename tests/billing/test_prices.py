"""Prices: configured, listed or unknown; never guessed and never downloaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chat import SettingsError, open_chat
from chat.billing.prices import Prices, read_prices

ROOT = Path(__file__).parents[2]
NONE_CONFIGURED = Prices((), {})


def test_listed_prices_are_known() -> None:
    # $2.50 and $10 per million tokens, since 2024.
    assert NONE_CONFIGURED.cost("openai/gpt-4o", 1_000_000, 100_000) == 3_500_000_000


@pytest.mark.parametrize(
    "ref",
    ["openai/echo", "nowhere/gpt-4o", "openai/whisper-1", "together/", "custom/claude-sonnet-4-5"],
)
def test_unknown_price_is_none_and_not_zero(ref: str) -> None:
    assert NONE_CONFIGURED.cost(ref, 1000, 1000) is None


@pytest.mark.parametrize("ref", ["guide/guide", "ollama/llama3", "local/model.gguf", "vllm/x"])
def test_local_models_cost_nothing(ref: str) -> None:
    assert NONE_CONFIGURED.cost(ref, 1000, 1000) == 0


def test_configured_providers_are_recognized_by_their_base_url() -> None:
    known = {"providers": {"x": {"base_url": "https://api.x.ai/v1"}, "y": {"base_url": "http://y"}}}
    prices = Prices((), known)
    assert prices.cost("x/grok-4", 1000, 500) and prices.cost("y/grok-4", 1000, 500) is None


def test_first_matching_configured_price_takes_precedence() -> None:
    prices = Prices(read_prices("openai/gpt-4o=1.25/10, openai/*=0/0.5 ,x/*=0/0"), {})
    assert prices.cost("openai/gpt-4o", 1_000_000, 1_000_000) == 11_250_000_000
    assert prices.cost("openai/echo", 8, 3) == 1_500
    assert prices.cost("x/y", 8, 3) == 0
    assert prices.configured("openai/whisper-1", 0, 2_000_000) == 1_000_000_000
    assert NONE_CONFIGURED.configured("openai/gpt-4o-transcribe", 0, 100) is None


def test_every_invalid_price_entry_is_reported(tmp_path: Path) -> None:
    bad = ["openai/gpt-5", "a/b=1", "a/b=one/two", "a/b=-1/1", "=1/1", "a/b=nan/1", "a/b=1/2/3"]
    with pytest.raises(SettingsError) as caught:
        open_chat(
            {
                "MODEL_PRICES": ",".join(["a/c=1/1", *bad]),
                "DATABASE_URL": f"sqlite:///{tmp_path}/p.db",
            }
        )
    assert len(caught.value.problems) == len(bad)
    assert all("MODEL_PRICES" in problem for problem in caught.value.problems)


def test_prices_are_loaded_lazily_and_offline() -> None:
    code = """
import sys
sys.addaudithook(lambda event, _: event.startswith("socket.") and sys.exit(event))
import chat
from chat.billing.prices import Prices
assert "genai_prices" not in sys.modules and "pydantic" not in sys.modules
assert Prices((), {}).cost("openai/gpt-4o", 1, 1)
print("ok")
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.strip() == "ok", run.stderr

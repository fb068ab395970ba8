"""A key in the wrong setting is shown neither in a problem nor on a page."""

from __future__ import annotations

from typing import Any

import pytest

from chat import SettingsError, read_settings
from chat.billing.prices import read_prices
from chat.config.settings import setting_names
from chat.providers.endpoints import endpoints, transcription_endpoint

KEYS = [
    "sk-proj-Tq3vX9aLmN0pR5sU7wY2zB4cD6eF8gH1",
    "gsk_a8Kd93jfLq0Zm2Xc7Vb5Nn1Qw4Er6Ty9Ui",
    "AIzaSyD3x9KfP2mQ7vT5wR8uB1nC4eG6hJ0kL2z",
    "f3a91c0be7d24586a9f01b3c5d7e9f8061a2b3c4d5e6f708192a3b4c5d6e7f80",  # 64 hexadecimal digits
    "Qm8Zt4Lw0Xr6Vb2Nc9Hd5Kf1Gj7Ps3Ya",  # 32 letters and digits
]
SECRET = {"access_code", "metrics_token", "transcription_api_key"}


def problems(values: dict[str, Any]) -> str:
    """Return all problems of a configuration; empty if Parley starts with it."""
    try:
        settings = read_settings(values)
        read_prices(settings.model_prices)
        endpoints(values)
        transcription_endpoint(settings)
    except SettingsError as error:
        return " ".join([*error.problems, str(error)])
    return ""


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", sorted(set(setting_names().values()) - SECRET))
def test_problem_of_a_setting_does_not_repeat_a_key(name: str, key: str) -> None:
    assert key not in problems({name.upper(): key})


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "values",
    [
        {"OPENAI_BASE_URL": "{}"},
        {"OPENAI_BASE_URL": "https://{}"},
        {"OPENAI_BASE_URL": "ftp://{}/v1"},
        {"OPENAI_MODELS": "{}", "OPENAI_BASE_URL": "http://x/v1"},
        {"OPENAI_MODELS": "gpt-5, {}", "OPENAI_API_KEY": "k"},
        {"MISTRAL_MODELS": "a,{},b", "MISTRAL_API_KEY": "k"},
        {"DEFAULT_MODEL": "openai/{}"},
        {"VISION_MODELS": "openai/*, {}"},
        {"TEXT_MODELS": "{}"},
        {"TRANSCRIPTION_MODEL": "{}"},
        {"TRANSCRIPTION_LANGUAGE": "{}"},
        {"TRANSCRIPTION_BASE_URL": "https://{}", "TRANSCRIPTION_API_KEY": "k"},
        {"MODEL_PRICES": "{}"},
        {"MODEL_PRICES": "openai/x=1/1, {}=1"},
        {"MAX_FILES": "{}"},
        {"LOG_LEVEL": "{}"},
        {"FIND_LOCAL_SERVERS": "{}"},
        {"MAX_FILES": ["{}"]},
        {"providers": {"{}": {"base_url": "http://x/v1"}}},
        {"providers": {"mine": {"base_url": "{}"}}},
        {"providers": {"mine": {"base_url": "http://x/v1", "label": "{}"}}},
        {"providers": {"mine": {"base_url": "http://x/v1", "models": ["{}"]}}},
        {"providers": {"mine": {"base_url": "http://x/v1", "{}": "x"}}},
        {"providers": {"mine": "{}"}},
        {"providers": "{}"},
    ],
    ids=str,
)
def test_key_in_the_wrong_setting_is_reported_and_not_repeated(
    values: dict[str, Any], key: str
) -> None:
    found = problems(_fill(values, key))
    assert found and key not in found


def _fill(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {_fill(name, key): _fill(each, key) for name, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, key) for each in value]
    return value.replace("{}", key)


@pytest.mark.parametrize(
    "values",
    [
        {"OPENAI_MODELS": "gpt-4o-2024-08-06,o3-mini,ft:gpt-4o-mini-2024-07-18:org::9aBcDeFg"},
        {"DEFAULT_MODEL": "together/meta-llama/Llama-3.3-70B-Instruct-Turbo-Free"},
        {"OPENAI_MODELS": "accounts/fireworks/models/qwen3-235b-a22b-instruct-2507"},
        {"OPENAI_BASE_URL": "https://abc123def456abc123def456abc123def456.proxy.example.com/v1"},
        {"OPENAI_BASE_URL": "http://sk-gateway.internal.example/v1", "OPENAI_API_KEY": KEYS[0]},
        {"TRANSCRIPTION_MODEL": "whisper-large-v3-turbo", "TRANSCRIPTION_LANGUAGE": "de"},
        {"providers": {"my-lab": {"base_url": "http://localhost:9/v1", "label": "The lab (v2)"}}},
    ],
    ids=str,
)
def test_names_that_are_no_keys_are_accepted(values: dict[str, Any]) -> None:
    assert problems({"OPENAI_API_KEY": "k", **values}) == ""


def test_short_wrong_values_are_repeated() -> None:
    assert "not 'many'" in problems({"MAX_FILES": "many"})
    assert "not -1" in problems({"MAX_FILES": "-1"})

"""One row per cloud provider: adding one takes a row and its settings in the documentation."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from genai_prices.data import providers as priced_providers

from chat.billing.prices import Prices
from chat.config.settings import Settings
from chat.providers.base import Model
from chat.providers.cloud_providers import CLOUD, CLOUD_PROVIDERS, CloudProvider
from chat.providers.endpoints import LOCAL, endpoints
from chat.providers.guide.manual import MANUAL_FOLDER
from chat.providers.user_keys import OwnKeys
from chat.providers.vision_support import supports_vision

ROOT = Path(__file__).parents[2]
SETTINGS_PAGE = (MANUAL_FOLDER / "settings.md").read_text("utf-8")
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")

each_provider = pytest.mark.parametrize("cloud", CLOUD_PROVIDERS, ids=lambda cloud: cloud.name)


@each_provider
def test_provider_row_is_complete(cloud: CloudProvider) -> None:
    assert re.fullmatch("[a-z]+", cloud.name), "a ref, and in capitals the prefix of settings"
    assert cloud.label
    assert urlsplit(cloud.base_url).scheme == "https" and not cloud.base_url.endswith("/")
    assert cloud.models
    assert all(window is None or window > 0 for window in cloud.models.values())
    assert cloud.price_id is None or cloud.price_id in {each.id for each in priced_providers}
    assert cloud.vision is None or re.compile(cloud.vision)


def test_provider_names_and_base_urls_are_unique() -> None:
    assert len(CLOUD) == len(CLOUD_PROVIDERS) == len({each.base_url for each in CLOUD_PROVIDERS})
    assert not {"guide", "local", *LOCAL} & set(CLOUD)


@each_provider
def test_provider_settings_are_documented(cloud: CloudProvider) -> None:
    prefix = cloud.name.upper()
    row = f"| {cloud.label} | `{prefix}_API_KEY` | `{prefix}_BASE_URL` |"
    assert row in SETTINGS_PAGE
    assert f"#{prefix}_API_KEY=" in EXAMPLE.splitlines()


@each_provider
def test_api_key_is_enough_to_configure_a_provider(cloud: CloudProvider) -> None:
    (found,) = endpoints({f"{cloud.name.upper()}_API_KEY": " secret "})
    assert (found.name, found.label, found.api_key) == (cloud.name, cloud.label, "secret")
    assert (found.base_url, found.is_standard) == (cloud.base_url, True)


@each_provider
def test_provider_accepts_user_keys(cloud: CloudProvider) -> None:
    assert OwnKeys(Settings(values={})).offered[cloud.name] == cloud.label


@each_provider
def test_other_modules_hold_no_facts_about_a_provider(cloud: CloudProvider) -> None:
    files = [*(ROOT / "chat").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
    naming = {file.name for file in files if cloud.base_url in file.read_text("utf-8")}
    assert naming == {"cloud_providers.py"}


def test_price_id_names_the_price_list_of_a_provider() -> None:
    assert Prices((), {}).cost("gemini/gemini-2.5-flash", 1000, 1000)
    assert Prices((), {}).cost("gemini/gpt-4o", 1000, 1000) is None


def test_provider_without_price_id_has_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    unpriced = CloudProvider("acme", "Acme", "https://api.acme.example/v1", {"gpt-4o": None})
    monkeypatch.setitem(CLOUD, "acme", unpriced)
    assert Prices((), {}).cost("acme/gpt-4o", 1000, 1000) is None


def test_vision_pattern_applies_to_models_at_any_host() -> None:
    assert supports_vision(Model("openrouter", "openai/gpt-4o"), Settings()) is True
    assert supports_vision(Model("acme", "gemini-2.5-pro"), Settings()) is True

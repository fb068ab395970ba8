"""Catalogue of providers, resolution of model names, and endpoints from the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from chat import errors
from chat.config.settings import read_settings
from chat.providers.base import Delta, Model, Request
from chat.providers.catalogue import Catalogue, build_catalogue
from chat.providers.endpoints import endpoints, unconfigured_local_servers
from tests.support.llm_server import LLMServer


class ListedProvider:
    """A provider with a fixed list of models, replaced by `finds` at discovery."""

    def __init__(
        self, name: str, *ids: str, finds: tuple[str, ...] = (), is_live: bool = True
    ) -> None:
        self.name, self.label, self.is_live = name, name.title(), is_live
        self._ids, self._finds = ids, finds
        self.asked = self.closed = 0
        self.error: Exception | None = None

    def models(self) -> tuple[Model, ...]:
        return tuple(Model(self.name, each) for each in self._ids)

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        yield Delta(text=request.model, finish_reason="stop")

    async def discover(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error
        self._ids = self._finds or self._ids

    async def close(self) -> None:
        self.closed += 1
        if self.error:
            raise self.error


GUIDE = ListedProvider("guide", "guide")


def refs(*providers: ListedProvider, ref: str | None = None, default: str | None = None) -> str:
    return Catalogue(providers).resolve(ref, default)[1].ref


def test_guide_is_the_default_only_without_other_models() -> None:
    assert refs(GUIDE, ListedProvider("acme")) == "guide/guide"
    assert refs(GUIDE, ListedProvider("acme", "one")) == "acme/one"


def test_default_is_the_first_model_of_the_first_provider() -> None:
    found = ListedProvider("no"), ListedProvider("acme", "one", "two"), ListedProvider("zeta", "z")
    assert refs(*found, GUIDE) == "acme/one"
    assert refs(*found, GUIDE, default="zeta/z") == "zeta/z"


def test_ref_resolves_to_its_provider_even_if_unlisted() -> None:
    acme, zeta = ListedProvider("acme", "one"), ListedProvider("zeta", "z")
    assert refs(acme, zeta, GUIDE, ref="zeta/org/new-model") == "zeta/org/new-model"


def test_typed_id_resolves_to_the_provider_that_lists_it_or_the_first_live_one() -> None:
    offline = ListedProvider("offline", is_live=False)
    acme, zeta = ListedProvider("acme", "one"), ListedProvider("zeta", "org/z")
    catalogue = Catalogue([offline, acme, zeta, GUIDE])
    assert catalogue.find("org/z")[1].ref == "zeta/org/z"
    assert catalogue.find("brand-new")[1].ref == "acme/brand-new"
    assert catalogue.find("zeta/other")[1].ref == "zeta/other"


def test_ref_of_a_removed_provider_is_unknown() -> None:
    with pytest.raises(errors.UnknownModel):
        Catalogue([ListedProvider("acme", "one"), GUIDE]).resolve("groq/one")


def test_unknown_ref_raises_unknown_model() -> None:
    for ref in ("brand-new", "guide/other"):
        with pytest.raises(errors.UnknownModel):
            refs(GUIDE, ref=ref)


def test_label_names_the_model_and_the_provider() -> None:
    catalogue = Catalogue([ListedProvider("acme", "one"), GUIDE])
    assert catalogue.label("acme/one") == "one · Acme"
    assert catalogue.label("guide/guide") == "Guide"


def test_discovery_runs_once_until_the_models_are_outdated() -> None:
    now = 0.0
    acme, broken = ListedProvider("acme", finds=("one",)), ListedProvider("broken", "kept")
    broken.error = RuntimeError("no")
    catalogue = Catalogue([acme, broken, GUIDE], clock=lambda: now)
    settled = [catalogue.is_discovered]

    async def run() -> None:
        nonlocal now
        await asyncio.gather(catalogue.discover(), catalogue.discover())
        assert acme.asked == 1
        now = 601.0
        await catalogue.discover()
        await catalogue.discover()
        assert acme.asked == 2
        await catalogue.discover(max_age=0)
        assert acme.asked == 3
        await catalogue.close()

    asyncio.run(run())
    assert [*settled, catalogue.is_discovered] == [False, True]
    assert [model.ref for model in catalogue.models()] == ["acme/one", "broken/kept", "guide/guide"]
    assert acme.closed == broken.closed == 1


# --- configuration


def offered(values: Mapping[str, Any]) -> dict[str, str]:
    return {each.name: each.base_url for each in endpoints(values)}


def test_no_endpoint_without_configuration() -> None:
    assert offered({"OPENAI_API_KEY": "", "GROQ_API_KEY": None, "OLLAMA_BASE_URL": " "}) == {}


def test_custom_base_url_needs_no_key() -> None:
    (found,) = endpoints({"OPENAI_BASE_URL": "http://127.0.0.1:9/x/", "OPENAI_MODELS": "a, b,a"})
    assert (found.base_url, found.api_key) == ("http://127.0.0.1:9/x", "")
    assert (found.models, found.is_standard) == (("a", "b"), False)


def test_configured_default_base_url_is_standard() -> None:
    (found,) = endpoints({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://api.openai.com/v1/"})
    assert found.is_standard


def test_local_servers_are_probed_unless_configured() -> None:
    values = {"OLLAMA_BASE_URL": "http://gpu:11434/v1", "providers": {"vllm": {}}}
    assert [each.name for each in unconfigured_local_servers(values)] == ["lmstudio", "llamacpp"]
    assert offered({"OLLAMA_BASE_URL": "http://gpu:11434/v1"}) == {"ollama": "http://gpu:11434/v1"}


def test_custom_providers_are_read_from_a_table() -> None:
    table = {
        "house": {
            "base_url": "https://llm.house/v1",
            "api_key": "k",
            "models": ["m"],
            "label": "O",
        },
        "lab": {"base_url": "http://lab:1/v1"},
    }
    house, lab = endpoints({"providers": table})
    assert (house.label, house.models, house.api_key) == ("O", ("m",), "k")
    assert (lab.label, lab.base_url) == ("lab", "http://lab:1/v1")


def test_settings_error_lists_all_problems_without_keys() -> None:
    values = {
        "OPENAI_BASE_URL": "api.openai.com",
        "GROQ_API_KEY": "s3cret\N{HORIZONTAL ELLIPSIS}",
        "MISTRAL_API_KEY": "k",
        "MISTRAL_MODELS": 7,
        "OLLAMA_BASE_URL": "http://host:port/v1",
        "providers": {
            "a": {"api_key": "s3cret"},
            "b": "http://b",
            "guide": {"base_url": "http://c"},
            "mistral": {"base_url": "http://d"},
            "e": {"base_url": "http://e", "url": "http://e"},
        },
    }
    with pytest.raises(errors.SettingsError) as caught:
        endpoints(values)
    text = str(caught.value)
    expected = [
        "OPENAI_BASE_URL",
        "GROQ_API_KEY",
        "MISTRAL_MODELS",
        "OLLAMA_BASE_URL",
        "providers.a.base_url",
        "providers.b",
        "providers.guide",
        "providers.mistral",
        "providers.e.url",
    ]
    assert [problem for problem in expected if problem not in text] == []
    assert len(caught.value.problems) == len(expected)
    assert "s3cret" not in text


def test_providers_setting_must_be_a_table() -> None:
    with pytest.raises(errors.SettingsError, match="should be a table"):
        endpoints({"providers": "openai"})


def test_missing_local_model_raises_settings_error() -> None:
    with pytest.raises(errors.SettingsError, match="LOCAL_MODEL"):
        build_catalogue(read_settings({"LOCAL_MODEL": "/no/such/file.gguf"}))


def test_catalogue_lists_guide_last() -> None:
    with LLMServer(models=("m", "n")) as server:
        values = {"OPENAI_BASE_URL": server.base_url, "FIND_LOCAL_SERVERS": "false"}
        catalogue = build_catalogue(read_settings(values))

        async def run() -> None:
            await catalogue.discover()
            await catalogue.close()

        asyncio.run(run())
    assert [model.ref for model in catalogue.models()][:2] == ["openai/m", "openai/n"]
    assert catalogue.models()[-1].provider == "guide"
    assert catalogue.resolve(None)[1].ref == "openai/m"

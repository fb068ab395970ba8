"""Which providers a configuration offers, who is the default, and what a model's name means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from chat import errors
from chat.config.settings import read_settings
from chat.providers.base import Delta, Model, Request
from chat.providers.catalogue import Catalogue, build_catalogue
from chat.providers.cloud_providers import CLOUD
from chat.providers.endpoints import endpoints, unconfigured_local_servers
from tests.support.llm_server import LLMServer


class ListedProvider:
    """A provider that knows its models, or finds them when asked."""

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


def test_guide_is_the_default_only_while_nobody_else_has_a_model() -> None:
    assert refs(GUIDE, ListedProvider("acme")) == "guide/guide"
    assert refs(GUIDE, ListedProvider("acme", "one")) == "acme/one"


def test_the_default_is_the_first_model_of_the_first_provider_that_has_one() -> None:
    found = ListedProvider("no"), ListedProvider("acme", "one", "two"), ListedProvider("zeta", "z")
    assert refs(*found, GUIDE) == "acme/one"
    assert refs(*found, GUIDE, default="zeta/z") == "zeta/z"


def test_a_name_with_its_provider_goes_there_even_when_it_is_not_listed() -> None:
    acme, zeta = ListedProvider("acme", "one"), ListedProvider("zeta", "z")
    assert refs(acme, zeta, GUIDE, ref="zeta/org/new-model") == "zeta/org/new-model"


def test_a_typed_name_goes_to_whoever_lists_it_else_to_the_first_that_is_there() -> None:
    asleep = ListedProvider("asleep", is_live=False)
    acme, zeta = ListedProvider("acme", "one"), ListedProvider("zeta", "org/z")
    catalogue = Catalogue([asleep, acme, zeta, GUIDE])
    assert catalogue.find("org/z")[1].ref == "zeta/org/z"
    assert catalogue.find("brand-new")[1].ref == "acme/brand-new"
    assert catalogue.find("zeta/other")[1].ref == "zeta/other"


def test_a_stored_model_of_a_provider_that_is_gone_goes_to_nobody_else() -> None:
    with pytest.raises(errors.UnknownModel):
        Catalogue([ListedProvider("acme", "one"), GUIDE]).resolve("groq/one")


def test_a_name_that_fits_nobody_is_unknown() -> None:
    for ref in ("brand-new", "guide/other"):
        with pytest.raises(errors.UnknownModel):
            refs(GUIDE, ref=ref)


def test_labels_are_for_people() -> None:
    catalogue = Catalogue([ListedProvider("acme", "one"), GUIDE])
    assert catalogue.label("acme/one") == "one · Acme"
    assert catalogue.label("guide/guide") == "Guide"


def test_discovery_asks_everybody_once_until_the_answers_are_old() -> None:
    now = 0.0
    acme, broken = ListedProvider("acme", finds=("one",)), ListedProvider("broken", "kept")
    broken.error = RuntimeError("no")
    catalogue = Catalogue([acme, broken, GUIDE], clock=lambda: now)
    settled = [catalogue.is_settled]

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
    assert [*settled, catalogue.is_settled] == [False, True]
    assert [model.ref for model in catalogue.models()] == ["acme/one", "broken/kept", "guide/guide"]
    assert acme.closed == broken.closed == 1


# --- configuration


def offered(values: Mapping[str, Any]) -> dict[str, str]:
    return {each.name: each.base_url for each in endpoints(values)}


@pytest.mark.parametrize("name", CLOUD)
def test_a_key_is_all_a_known_provider_needs(name: str) -> None:
    (found,) = endpoints({f"{name.upper()}_API_KEY": " secret "})
    assert (found.name, found.api_key, found.is_standard) == (name, "secret", True)
    assert found.base_url == CLOUD[name].base_url


def test_nothing_is_offered_without_configuration() -> None:
    assert offered({"OPENAI_API_KEY": "", "GROQ_API_KEY": None, "OLLAMA_BASE_URL": " "}) == {}


def test_an_address_of_ones_own_needs_no_key_and_is_used_as_given() -> None:
    (found,) = endpoints({"OPENAI_BASE_URL": "http://127.0.0.1:9/x/", "OPENAI_MODELS": "a, b,a"})
    assert (found.base_url, found.api_key) == ("http://127.0.0.1:9/x", "")
    assert (found.models, found.is_standard) == (("a", "b"), False)


def test_the_standard_address_given_by_hand_is_still_the_standard_one() -> None:
    (found,) = endpoints({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://api.openai.com/v1/"})
    assert found.is_standard


def test_local_servers_are_looked_for_unless_they_are_configured() -> None:
    values = {"OLLAMA_BASE_URL": "http://gpu:11434/v1", "providers": {"vllm": {}}}
    assert [each.name for each in unconfigured_local_servers(values)] == ["lmstudio", "llamacpp"]
    assert offered({"OLLAMA_BASE_URL": "http://gpu:11434/v1"}) == {"ollama": "http://gpu:11434/v1"}


def test_any_number_of_custom_providers_can_be_configured() -> None:
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


def test_every_problem_is_reported_at_once_and_no_key_with_them() -> None:
    values = {
        "OPENAI_BASE_URL": "api.openai.com",
        "GROQ_API_KEY": "geheim\N{HORIZONTAL ELLIPSIS}",
        "MISTRAL_API_KEY": "k",
        "MISTRAL_MODELS": 7,
        "OLLAMA_BASE_URL": "http://host:port/v1",
        "providers": {
            "a": {"api_key": "geheim"},
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
    assert "geheim" not in text


def test_providers_that_are_no_table_are_a_problem() -> None:
    with pytest.raises(errors.SettingsError, match="should be a table"):
        endpoints({"providers": "openai"})


def test_a_missing_local_model_is_a_problem_of_the_configuration() -> None:
    with pytest.raises(errors.SettingsError, match="LOCAL_MODEL"):
        build_catalogue(read_settings({"LOCAL_MODEL": "/no/such/file.gguf"}))


def test_a_configuration_becomes_a_catalogue_with_guide_last() -> None:
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

"""All providers in order of preference: what can be chosen, what a name means, who answers it.

It answers from memory; `discover` asks the providers, all at once, and can be left running. Guide
comes last and is the default only while nobody else has a model.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from chat import errors
from chat.config.settings import Settings
from chat.domain.person import OWN_KEY_PREFIX
from chat.providers.base import Model, Provider

log = logging.getLogger(__name__)

GUIDE = "guide"
_LONGEST_DISCOVERY = 8.0  # seconds; a provider keeps to its own, shorter limit


class Catalogue:
    """`discover` and `close` belong on one event loop; the rest may be asked from any thread."""

    def __init__(
        self, providers: Sequence[Provider], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._providers = tuple(sorted(providers, key=lambda each: each.name == GUIDE))
        self._clock = clock
        self._discovered_at: float | None = None
        self._turn = asyncio.Lock()

    @property
    def is_settled(self) -> bool:
        """Whether all have been asked once: the default will not change by itself any more."""
        return self._discovered_at is not None

    def models(self) -> tuple[Model, ...]:
        return tuple(model for provider in self._providers for model in provider.models())

    def resolve(self, ref: str | None, default: str | None = None) -> tuple[Provider, Model]:
        """Who answers to `ref`, "provider/model id"; without one, the default.

        Raises `UnknownModel`, also for a model whose provider is not configured (any more): what
        was meant for one company is never sent to another.
        """
        if not ref:
            return self.find(default) if default else self._first()
        name, _, model_id = ref.partition("/")
        for provider in self._providers:
            if provider.name == name and model_id:
                return provider, _model(provider, model_id)
        raise errors.UnknownModel("Parley", model=ref)

    def find(self, typed: str) -> tuple[Provider, Model]:
        """Who answers to a model as somebody typed it: a ref, a listed id, or an id of their own.

        Raises `UnknownModel`.
        """
        wanted = typed.strip()
        name, _, model_id = wanted.partition("/")
        if name.startswith(
            OWN_KEY_PREFIX
        ):  # meant for a person's own key, and never sent with another
            raise errors.UnknownModel("Parley", model=wanted)
        for provider in self._providers:
            if provider.name == name and model_id:
                return provider, _model(provider, model_id)
        for provider in self._providers:
            for model in provider.models():
                if model.id == wanted:
                    return provider, model
        for provider in self._providers:
            if provider.name != GUIDE and getattr(provider, "is_live", True):
                return provider, Model(provider.name, wanted)
        raise errors.UnknownModel("Parley", model=wanted)

    def lists(self, typed: str) -> bool:
        """Whether a model is on offer under this ref or id, or its provider at least."""
        name = typed.partition("/")[0]
        return any(name == provider.name for provider in self._providers) or any(
            model.id == typed for model in self.models()
        )

    def offers(self, ref: str) -> bool:
        """Whether a model is on the list that everybody sees."""
        return any(model.ref == ref for model in self.models())

    def label(self, ref: str) -> str:
        """How people read a ref: "gpt-5 · OpenAI"."""
        try:
            provider, model = self.resolve(ref)
        except errors.UnknownModel:
            return ref
        return provider.label if provider.name == GUIDE else f"{model.id} · {provider.label}"

    async def discover(self, max_age: float = 600.0) -> None:
        """Ask all providers for their models, unless that was done less than `max_age` seconds ago.

        Takes no longer than the slowest provider may, and never fails.
        """
        async with self._turn:  # whoever comes meanwhile finds the answer fresh
            now = self._clock()
            if self._discovered_at is not None and now - self._discovered_at < max_age:
                return
            await asyncio.gather(*(_discover(provider) for provider in self._providers))
            self._discovered_at = self._clock()

    async def close(self) -> None:
        for provider in self._providers:
            try:
                await provider.close()
            except Exception as error:  # the others are to be closed too
                log.warning("closing %s: %s", provider.name, type(error).__name__)

    def _first(self) -> tuple[Provider, Model]:
        for provider in self._providers:
            for model in provider.models():
                return provider, model
        raise errors.UnknownModel("Parley", model="")


def build_catalogue(settings: Settings) -> Catalogue:
    """Everything the configuration offers: configured, the local file, found servers, Guide.

    Raises `SettingsError`.
    """
    from chat.providers.endpoints import endpoints, unconfigured_local_servers
    from chat.providers.guide.provider import GuideProvider
    from chat.providers.local_gguf import LocalModelProvider
    from chat.providers.openai_compatible.client import OpenAIProvider

    values = settings.values or {}
    providers: list[Provider] = [OpenAIProvider(each, settings) for each in endpoints(values)]
    if settings.local_model:
        providers.append(LocalModelProvider(settings.local_model, settings))
    if settings.find_local_servers:
        found = unconfigured_local_servers(values)
        providers += [OpenAIProvider(each, settings, is_local=True) for each in found]
    return Catalogue([*providers, GuideProvider()])


def _model(provider: Provider, model_id: str) -> Model:
    listed = (model for model in provider.models() if model.id == model_id)
    model = next(listed, None)
    if model is None and provider.name == GUIDE:
        raise errors.UnknownModel(provider.label, model=model_id)
    return model or Model(provider.name, model_id)


async def _discover(provider: Provider) -> None:
    try:
        async with asyncio.timeout(_LONGEST_DISCOVERY):
            await provider.discover()
    except Exception as error:  # one provider must not spoil the round
        log.warning("models of %s not discovered: %s", provider.name, type(error).__name__)

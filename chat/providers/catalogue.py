"""Catalogue of all providers in order of preference; resolves model names to providers.

Lookups use the models known so far; `discover` refreshes them from all providers concurrently. The
built-in Guide comes last and is the default only while no other provider has a model.
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
_DISCOVERY_TIMEOUT = 8.0  # seconds; the providers have shorter timeouts of their own


class Catalogue:
    """Call `discover` and `close` from one event loop; the other methods are thread-safe."""

    def __init__(
        self, providers: Sequence[Provider], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._providers = tuple(sorted(providers, key=lambda each: each.name == GUIDE))
        self._clock = clock
        self._discovered_at: float | None = None
        self._discovery_lock = asyncio.Lock()

    @property
    def is_discovered(self) -> bool:
        """True after the first discovery, which may change the default model."""
        return self._discovered_at is not None

    def models(self) -> tuple[Model, ...]:
        return tuple(model for provider in self._providers for model in provider.models())

    def resolve(self, ref: str | None, default: str | None = None) -> tuple[Provider, Model]:
        """Return the provider and the model for `ref` ("provider/model id"), or for the default.

        Raises `UnknownModel`, also if the provider is no longer configured: a message for one
        company is never sent to another.
        """
        if not ref:
            return self.find(default) if default else self._first()
        name, _, model_id = ref.partition("/")
        for provider in self._providers:
            if provider.name == name and model_id:
                return provider, _model(provider, model_id)
        raise errors.UnknownModel("Parley", model=ref)

    def find(self, typed: str) -> tuple[Provider, Model]:
        """Return the provider and the model for a typed name: a ref, a listed id or any other id.

        An id that no provider lists goes to the first one that is live. Raises `UnknownModel`.
        """
        wanted = typed.strip()
        name, _, model_id = wanted.partition("/")
        if name.startswith(OWN_KEY_PREFIX):  # needs the user's own key, never the one of the server
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

    def recognizes(self, typed: str) -> bool:
        """Return whether `typed` is a listed id, or a ref of a configured provider."""
        name = typed.partition("/")[0]
        return any(name == provider.name for provider in self._providers) or any(
            model.id == typed for model in self.models()
        )

    def is_listed(self, ref: str) -> bool:
        """Return whether a model is in the list that all users see."""
        return any(model.ref == ref for model in self.models())

    def label(self, ref: str) -> str:
        """Return the label of a ref: "gpt-5 · OpenAI"."""
        try:
            provider, model = self.resolve(ref)
        except errors.UnknownModel:
            return ref
        return provider.label if provider.name == GUIDE else f"{model.id} · {provider.label}"

    async def discover(self, max_age: float = 600.0) -> None:
        """Refresh the models of all providers if the last refresh is `max_age` seconds old.

        Never fails, and takes at most as long as the timeout of one provider.
        """
        async with self._discovery_lock:  # concurrent callers share one round
            now = self._clock()
            if self._discovered_at is not None and now - self._discovered_at < max_age:
                return
            await asyncio.gather(*(_discover(provider) for provider in self._providers))
            self._discovered_at = self._clock()

    async def close(self) -> None:
        for provider in self._providers:
            try:
                await provider.close()
            except Exception as error:  # close the other providers as well
                log.warning("closing %s: %s", provider.name, type(error).__name__)

    def _first(self) -> tuple[Provider, Model]:
        for provider in self._providers:
            for model in provider.models():
                return provider, model
        raise errors.UnknownModel("Parley", model="")


def build_catalogue(settings: Settings) -> Catalogue:
    """Return the catalogue: configured endpoints, the local file, local servers, Guide.

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
        async with asyncio.timeout(_DISCOVERY_TIMEOUT):
            await provider.discover()
    except Exception as error:  # a failing provider must not affect the others
        log.warning("models of %s not discovered: %s", provider.name, type(error).__name__)

"""Models: the ones on offer, their names, and models on a user-supplied key."""

from __future__ import annotations

from concurrent.futures import Future

from chat.domain.conversation import ReplySettings
from chat.errors import ProviderError, ServiceClosed
from chat.providers.base import Model
from chat.providers.user_keys import OwnKey
from chat.replies.runtime import Runtime

MAX_AGE = 120  # seconds before a provider's list of models is refreshed in the background


class ModelService:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._selection = runtime, runtime.selection

    def available(self) -> tuple[Model, ...]:
        """Return the models on offer; a stale list is refreshed in the background."""
        self._runtime.runner.submit(self._runtime.catalogue.discover(max_age=MAX_AGE))
        is_off = self._runtime.billing.kill_switch.is_off
        return tuple(each for each in self._runtime.catalogue.models() if not is_off(each.ref))

    @property
    def is_discovering(self) -> bool:
        """Return whether the first discovery of models is still running."""
        return not self._runtime.catalogue.is_discovered

    def get(self, ref: str | None = None) -> Model:
        """Return a model by reference; None means the default. Raises `UnknownModel`."""
        return self._selection.resolve(ReplySettings(model=ref))[1]

    def find(self, text: str, own: OwnKey | None = None) -> Model:
        """Return the model for typed text. Raises `UnknownModel`."""
        return self._selection.find(text, own)

    def label(self, ref: str | None = None) -> str:
        """Return the display name of a model; None means the default."""
        try:
            return self._selection.label(self.get(ref).ref)
        except ProviderError:
            return ref or ""

    @property
    def own_key_providers(self) -> dict[str, str]:
        """Return the providers that accept user-supplied keys, as labels by name."""
        return self._selection.own_keys.offered

    def own_key(self, provider: str, api_key: str, base_url: str = "") -> OwnKey:
        """Validate a user-supplied key and address. The caller keeps it and passes it to calls.

        Raises `Refused` or `AddressRefused`.
        """
        return self._selection.own_keys.read(provider, api_key, base_url)

    def own_models(self, own: OwnKey) -> tuple[Model, ...]:
        """Return the well-known models of a key's provider."""
        return self._selection.own_keys.resolve(f"{own.name}/-", own)[0].models()

    def discover_own_models(self, own: OwnKey) -> Future[tuple[Model, ...]]:
        """Request the list of models that a key gives access to.

        The future may raise a `ProviderError`. Raises `KeyChecksBusy`.
        """
        checks = self._runtime.billing.key_checks
        checks.acquire()
        try:
            models: Future[tuple[Model, ...]] = self._runtime.runner.submit(
                self._selection.own_keys.discover(own)
            )
        except ServiceClosed:
            checks.release()
            raise
        models.add_done_callback(lambda _: checks.release())
        return models

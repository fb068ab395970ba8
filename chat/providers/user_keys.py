"""Models that are called with a user's own API key, and never with the server's key.

The ref of such a model begins with "own-" and names the provider of the key ("own-openai/gpt-4o"),
or the host of a custom base URL ("own-llm.example.com/qwen"), so that no other provider receives
it. The key is passed with each call and never stored: a client is created for one reply and closed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chat import errors
from chat.config.settings import Endpoint, Settings
from chat.domain.person import OWN_KEY_PREFIX
from chat.providers.base import Delta, Model, Provider, Request
from chat.providers.base_url import without_endpoint
from chat.providers.cloud_providers import CLOUD, CLOUD_PROVIDERS
from chat.providers.openai_compatible.model_list import assumed_models

if TYPE_CHECKING:  # importing the SDK takes a second; only a reply needs it
    from chat.providers.openai_compatible.client import OpenAIProvider
    from chat.providers.ssrf.transport import Resolve

OTHER = "other"  # the choice "Another address"
_KEY = re.compile(r"[!-~]{1,1000}")


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A user's API key and its provider. Created by `OwnKeys.read`; kept in one tab's memory."""

    name: str  # of the provider: "own-openai"
    label: str
    api_key: str = field(repr=False)
    base_url: str = field(
        default="", repr=False
    )  # only for a custom base URL, which may hold a key


def uses_own_key(ref: str | None) -> bool:
    """Return whether a model may be called only with the user's own key."""
    return (
        bool(ref) and str(ref).startswith(OWN_KEY_PREFIX) and _provider_label(str(ref)) is not None
    )


class OwnKeys:
    """Personal keys as far as the configuration allows them.

    `resolve` looks up the host of a custom base URL; by default the system resolver is used.
    """

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        self._settings, self._resolve = settings, resolve

    @property
    def offered(self) -> dict[str, str]:
        """The providers that accept a personal key: name to label."""
        if not self._settings.allow_own_keys:
            return {}
        names = {each.name: each.label for each in CLOUD_PROVIDERS}
        more = {OTHER: "Another address"} if self._settings.allow_custom_endpoints else {}
        return names | more

    def read(self, provider: str, api_key: str, base_url: str = "") -> OwnKey:
        """Validate a typed key and base URL, without a DNS lookup.

        Raises `AddressRefused` or `Refused`.
        """
        if provider not in self.offered:
            raise errors.Refused("Using your own key is not enabled for this provider.")
        key = api_key.strip()
        if not _KEY.fullmatch(key):
            raise errors.Refused(
                "This is not a valid key. Copy it again, without quotes or spaces."
            )
        if provider != OTHER:
            return OwnKey(OWN_KEY_PREFIX + provider, CLOUD[provider].label, key)
        from chat.providers.ssrf.public_address import parse_base_url

        url = parse_base_url(without_endpoint(base_url))
        host = url.netloc.decode("ascii")
        return OwnKey(OWN_KEY_PREFIX + host, host, key, str(url))

    def resolve(self, ref: str, own: OwnKey | None = None) -> tuple[OwnProvider, Model]:
        """Return the provider and the model for a ref with "own-".

        The provider gets `own` if the key belongs to it; without a key it offers everything except
        replies. Raises `UnknownModel`.
        """
        name, _, model_id = ref.partition("/")
        label = _provider_label(ref)
        is_custom = name.removeprefix(OWN_KEY_PREFIX) not in CLOUD
        is_allowed = self._settings.allow_own_keys and (
            self._settings.allow_custom_endpoints or not is_custom
        )
        if label is None or not is_allowed:
            raise errors.UnknownModel("Parley", model=ref)
        matching = own if own is not None and own.name == name else None
        provider = OwnProvider(name, label, matching, self._settings, self._resolve)
        listed = (model for model in provider.models() if model.id == model_id)
        return provider, next(listed, None) or Model(name, model_id)

    def label(self, ref: str) -> str:
        """Return the label of a ref with "own-"."""
        return f"{ref.partition('/')[2]} · {_provider_label(ref)}, your key"

    async def discover(self, own: OwnKey) -> tuple[Model, ...]:
        """Return the models available with a key. Raises a `ProviderError`."""
        return await self.resolve(f"{own.name}/-", own)[0].list_models()


class OwnProvider:
    """See `base.Provider`. One provider, with the user's key for it if there is one."""

    def __init__(
        self,
        name: str,
        label: str,
        own: OwnKey | None,
        settings: Settings,
        resolve: Resolve | None,
    ) -> None:
        self.name, self._provider_label = name, label
        self.label = f"{label}, your key"
        self._own, self._settings, self._resolve = own, settings, resolve

    def models(self) -> tuple[Model, ...]:
        return tuple(assumed_models(self.name, ()))

    def check(self) -> None:
        """Raise `OwnKeyMissing` if there is no key for replies."""
        if self._own is None:
            raise errors.OwnKeyMissing(self._provider_label)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        provider = self._open()
        try:
            async with aclosing(provider.stream(request)) as deltas:
                async for delta in deltas:
                    yield delta
        except errors.WrongKey as error:
            failure = errors.OwnKeyRefused(self._provider_label, details=error.details)
        else:
            return
        finally:
            await provider.close()
        raise failure

    async def list_models(self) -> tuple[Model, ...]:
        """Return the models that the provider lists for this key. Raises a `ProviderError`."""
        provider = self._open()
        try:
            await provider.discover()
        finally:
            await provider.close()
        if isinstance(provider.last_error, errors.WrongKey):
            raise errors.OwnKeyRefused(self._provider_label, details=provider.last_error.details)
        if provider.last_error is not None:
            raise provider.last_error
        return provider.models()

    async def discover(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def _open(self) -> OpenAIProvider:
        """Return a client for one call, independent of the server's keys and base URLs."""
        own = self._own
        if own is None:
            raise errors.OwnKeyMissing(self._provider_label)
        from chat.providers.openai_compatible.client import OpenAIProvider

        if not own.base_url:
            url = CLOUD[self.name.removeprefix(OWN_KEY_PREFIX)].base_url
            endpoint = Endpoint(self.name, self.label, url, own.api_key, is_standard=True)
            return OpenAIProvider(endpoint, self._settings)
        from chat.providers.ssrf.public_address import parse_base_url
        from chat.providers.ssrf.transport import SsrfGuard, resolve_host

        guard = SsrfGuard(parse_base_url(own.base_url), self._resolve or resolve_host)
        endpoint = Endpoint(self.name, self.label, own.base_url, own.api_key)
        return OpenAIProvider(endpoint, self._settings, guard=guard)


def require_own_key(provider: Provider) -> None:
    """Raise `OwnKeyMissing` if `provider` needs a personal key and has none."""
    if isinstance(provider, OwnProvider):
        provider.check()


def _provider_label(ref: str) -> str | None:
    """Return the label of the provider in a ref with "own-"; None if the ref is invalid."""
    name, _, model_id = ref.removeprefix(OWN_KEY_PREFIX).partition("/")
    if not model_id:
        return None
    if name in CLOUD:
        return CLOUD[name].label
    return name if "." in name or name.startswith("[") else None

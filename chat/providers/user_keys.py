"""Models called with a key that a person typed: never with the server's, never without theirs.

Such a model's ref begins with "own-" and says whom the key is for ("own-openai/gpt-4o", or the host
of a typed address: "own-llm.example.com/qwen"), so that no other provider ever answers to it. The
key comes with each call and is kept nowhere here: a client is made for one reply, and closed.
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
from chat.providers.endpoints import CLOUD
from chat.providers.openai_compatible.model_list import assumed_models

if TYPE_CHECKING:  # the SDK takes a second to import, and is needed only for a reply
    from chat.providers.openai_compatible.client import OpenAIProvider
    from chat.providers.ssrf.transport import Resolve

OTHER = "other"  # chosen to type an address
_KEY = re.compile(r"[!-~]{1,1000}")


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A typed key and whom it is for. Made by `OwnKeys.read`; held by one tab, in memory only."""

    name: str  # of the provider: "own-openai"
    label: str
    api_key: str = field(repr=False)
    base_url: str = field(default="", repr=False)  # only of a typed address; it may hold a key too


def is_own(ref: str | None) -> bool:
    """Whether a model's ref says that only a person's own key may be used."""
    return bool(ref) and str(ref).startswith(OWN_KEY_PREFIX) and _host_or_name(str(ref)) is not None


class OwnKeys:
    """What the configuration allows. `resolve` finds the addresses of a typed host."""

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        self._settings, self._resolve = settings, resolve

    @property
    def offered(self) -> dict[str, str]:
        """Whom a key may be typed for: name and label."""
        if not self._settings.allow_own_keys:
            return {}
        names = {name: label for name, (label, _) in CLOUD.items()}
        more = {OTHER: "Another address"} if self._settings.allow_custom_endpoints else {}
        return names | more

    def read(self, provider: str, api_key: str, base_url: str = "") -> OwnKey:
        """What was typed, checked; no name server is asked yet.

        Raises `AddressRefused` or `Refused`.
        """
        if provider not in self.offered:
            raise errors.Refused("Keys of your own are switched off here, or for this provider.")
        key = api_key.strip()
        if not _KEY.fullmatch(key):
            raise errors.Refused("This is no key: copy it again, without quotes or spaces.")
        if provider != OTHER:
            return OwnKey(OWN_KEY_PREFIX + provider, CLOUD[provider][0], key)
        from chat.providers.ssrf.public_address import read_address

        url = read_address(base_url)
        host = url.netloc.decode("ascii")
        return OwnKey(OWN_KEY_PREFIX + host, host, key, str(url))

    def resolve(self, ref: str, own: OwnKey | None = None) -> tuple[OwnProvider, Model]:
        """Who answers to an own model, with `own` if that is the key it takes.

        Without it the provider can be asked for everything but a reply. Raises `UnknownModel`.
        """
        name, _, model_id = ref.partition("/")
        label = _host_or_name(ref)
        is_typed = name.removeprefix(OWN_KEY_PREFIX) not in CLOUD
        is_allowed = self._settings.allow_own_keys and (
            self._settings.allow_custom_endpoints or not is_typed
        )
        if label is None or not is_allowed:
            raise errors.UnknownModel("Parley", model=ref)
        fitting = own if own is not None and own.name == name else None
        provider = OwnProvider(name, label, fitting, self._settings, self._resolve)
        listed = (model for model in provider.models() if model.id == model_id)
        return provider, next(listed, None) or Model(name, model_id)

    def label(self, ref: str) -> str:
        """How people read an own model's ref."""
        return f"{ref.partition('/')[2]} · {_host_or_name(ref)}, your key"

    async def discover(self, own: OwnKey) -> tuple[Model, ...]:
        """The models that a key opens. Raises a `ProviderError`."""
        return await self.resolve(f"{own.name}/-", own)[0].discovered()


class OwnProvider:
    """See `base.Provider`: one provider, and the key for it if it is at hand."""

    def __init__(
        self,
        name: str,
        label: str,
        own: OwnKey | None,
        settings: Settings,
        resolve: Resolve | None,
    ) -> None:
        self.name, self._whose = name, label
        self.label = f"{label}, your key"
        self._own, self._settings, self._resolve = own, settings, resolve

    def models(self) -> tuple[Model, ...]:
        return tuple(assumed_models(self.name, ()))

    def check(self) -> None:
        """Raises `OwnKeyMissing` when no reply can be asked for."""
        if self._own is None:
            raise errors.OwnKeyMissing(self._whose)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        provider = self._open()
        try:
            async with aclosing(provider.stream(request)) as deltas:
                async for delta in deltas:
                    yield delta
        except errors.WrongKey as error:
            failure = errors.OwnKeyRefused(self._whose, details=error.details)
        else:
            return
        finally:
            await provider.close()
        raise failure

    async def discovered(self) -> tuple[Model, ...]:
        """The models that the provider tells for this key. Raises a `ProviderError`."""
        provider = self._open()
        try:
            await provider.discover()
        finally:
            await provider.close()
        if isinstance(provider.last_error, errors.WrongKey):
            raise errors.OwnKeyRefused(self._whose, details=provider.last_error.details)
        if provider.last_error is not None:
            raise provider.last_error
        return provider.models()

    async def discover(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def _open(self) -> OpenAIProvider:
        """A client for one call; the server's keys and addresses have no part in it."""
        own = self._own
        if own is None:
            raise errors.OwnKeyMissing(self._whose)
        from chat.providers.openai_compatible.client import OpenAIProvider

        if not own.base_url:
            url = CLOUD[self.name.removeprefix(OWN_KEY_PREFIX)][1]
            endpoint = Endpoint(self.name, self.label, url, own.api_key, is_standard=True)
            return OpenAIProvider(endpoint, self._settings)
        from chat.providers.ssrf.public_address import read_address
        from chat.providers.ssrf.transport import SsrfGuard, look_up

        guard = SsrfGuard(read_address(own.base_url), self._resolve or look_up)
        endpoint = Endpoint(self.name, self.label, own.base_url, own.api_key)
        return OpenAIProvider(endpoint, self._settings, guard=guard)


def check_ready(provider: Provider) -> None:
    """Raises `OwnKeyMissing` when a provider has no key to answer with."""
    if isinstance(provider, OwnProvider):
        provider.check()


def _host_or_name(ref: str) -> str | None:
    """What people read for whom a ref's key is; None for a ref of another kind."""
    name, _, model_id = ref.removeprefix(OWN_KEY_PREFIX).partition("/")
    if not model_id:
        return None
    if name in CLOUD:
        return CLOUD[name][0]
    return name if "." in name or name.startswith("[") else None

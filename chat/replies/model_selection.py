"""Resolve a conversation's settings: provider and model, request parameters, token budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypedDict

from chat.billing.kill_switch import KillSwitch
from chat.config.settings import Settings
from chat.domain.attachment import Attachment, FileCost, FileKind, NewAttachment
from chat.domain.context_window import token_budget
from chat.domain.conversation import ReplySettings
from chat.domain.ids import storable
from chat.domain.token_estimate import TOKENS_PER_MESSAGE
from chat.errors import ImagesUnsupported, UnknownModel
from chat.providers.base import Model, Provider
from chat.providers.catalogue import Catalogue
from chat.providers.tokenizer import Tokenizer
from chat.providers.user_keys import OwnKey, OwnKeys, uses_own_key
from chat.providers.vision_support import supports_vision


class Budget(TypedDict):
    """Keyword arguments of `context_window.budget` and `fit`."""

    max_tokens: int
    system_tokens: int
    window_tokens: int | None
    reserve_tokens: int


class ModelSelection:
    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        tokenizer: Tokenizer,
        kill_switch: KillSwitch,
    ) -> None:
        self._settings, self._catalogue = settings, catalogue
        self._tokenizer, self._kill_switch = tokenizer, kill_switch
        self.own_keys = OwnKeys(settings)

    def label(self, ref: str) -> str:
        """Return a model's display name. Raises `UnknownModel`."""
        if uses_own_key(ref):
            return self.own_keys.label(ref)
        return self._catalogue.label(ref)

    def resolve(self, settings: ReplySettings, own: OwnKey | None = None) -> tuple[Provider, Model]:
        """Return the provider and model for a reply. Raises `UnknownModel`.

        Without a configured model it is the first one that is not switched off. A model on a
        user-supplied key (`uses_own_key`) needs `own`.
        """
        default = self._settings.default_model
        if settings.model or default:
            return self.by_ref(settings.model, own)
        provider, model = self._catalogue.resolve(None)
        if self._kill_switch.is_off(model.ref):
            for other in self._catalogue.models():
                if not self._kill_switch.is_off(other.ref):
                    return self._catalogue.resolve(other.ref)
        return provider, model

    def by_ref(self, ref: str | None, own: OwnKey | None) -> tuple[Provider, Model]:
        """Like `resolve`, for a reference; None means the default model."""
        if ref and uses_own_key(ref):
            return self.own_keys.resolve(ref, own)
        return self._catalogue.resolve(ref, self._settings.default_model)

    def find(self, typed: str, own: OwnKey | None = None) -> Model:
        """Return the model for typed text; with `own`, also one of that key."""
        typed = typed.strip()
        if uses_own_key(typed):
            return self.own_keys.resolve(typed)[1]
        if own is not None and not self._catalogue.recognizes(typed):
            return self.own_keys.resolve(f"{own.name}/{typed}")[1]
        return self._catalogue.find(typed)[1]

    def resolve_settings(self, settings: ReplySettings) -> ReplySettings:
        """Return `settings` with the full reference of a typed model, and storable text."""
        model = settings.model and self.find(settings.model).ref
        prompt = storable(settings.system_prompt)
        return replace(settings, model=model or None, system_prompt=prompt)

    def require_vision(
        self, files: Iterable[Attachment | NewAttachment | FileCost], settings: ReplySettings
    ) -> None:
        """Raise `ImagesUnsupported` for an image if the model does not accept images."""
        if any(file.kind is FileKind.IMAGE for file in files):
            try:
                _, model = self.resolve(settings)
            except UnknownModel:  # reported when the message is sent
                return
            if supports_vision(model, self._settings) is False:
                raise ImagesUnsupported(self.label(model.ref))

    def message_budget(self, settings: ReplySettings) -> int:
        """Return the tokens available for one message and its files."""
        return token_budget(**self.budget(settings)) - TOKENS_PER_MESSAGE

    def budget(self, settings: ReplySettings, so_far: int = 0) -> Budget:
        """Return the token budget; `so_far` tokens of an answer being continued are reserved."""
        return {
            "max_tokens": self._settings.max_history_tokens,
            "system_tokens": self._tokenizer.count(self.system_prompt(settings)).tokens,
            "window_tokens": self._window(settings),
            "reserve_tokens": self.max_reply_tokens(settings) + so_far,
        }

    def system_prompt(self, settings: ReplySettings) -> str:
        return settings.system_prompt or self._settings.default_system_prompt

    def temperature(self, settings: ReplySettings) -> float | None:
        own = settings.temperature
        return own if own is not None else self._settings.default_temperature

    def max_reply_tokens(self, settings: ReplySettings) -> int:
        most = self._settings.max_reply_tokens
        wanted = min(settings.max_reply_tokens or most, most)
        window = self._window(settings)
        # Half of a small window is left for the question and its context.
        return wanted if window is None else max(1, min(wanted, window // 2))

    def _window(self, settings: ReplySettings) -> int | None:
        try:
            return self.resolve(settings)[1].window_tokens
        except UnknownModel:  # no longer configured; the conversation stays readable
            return None

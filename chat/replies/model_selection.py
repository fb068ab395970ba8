"""What the settings of a conversation come to: who answers, how, and how much may be sent.

It knows no message and starts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypedDict

from chat.billing.call_costs import Billing
from chat.config.settings import Settings
from chat.domain.attachment import Attachment, FileCost, FileKind, NewAttachment
from chat.domain.context_window import token_budget
from chat.domain.conversation import ReplySettings
from chat.domain.ids import storable
from chat.domain.token_estimate import TOKENS_PER_MESSAGE, TokenCount
from chat.errors import ImagesUnsupported, UnknownModel
from chat.providers.base import Model, Provider
from chat.providers.catalogue import Catalogue
from chat.providers.tokenizer import Tokenizer
from chat.providers.user_keys import OwnKey, OwnKeys, is_own
from chat.providers.vision_support import supports_vision


class _Limits(TypedDict):
    max_tokens: int
    system_tokens: int
    window_tokens: int | None
    reserve_tokens: int


class Choice:
    def __init__(
        self, settings: Settings, catalogue: Catalogue, counter: Tokenizer, billing: Billing
    ) -> None:
        self._settings, self._catalogue = settings, catalogue
        self._counter, self._billing = counter, billing
        self.own_keys = OwnKeys(settings)

    def label(self, ref: str) -> str:
        if is_own(ref):
            return self.own_keys.label(ref)
        return self._catalogue.label(ref)

    def count(self, text: str) -> TokenCount:
        return self._counter.count(text)

    def resolve(self, settings: ReplySettings, own: OwnKey | None = None) -> tuple[Provider, Model]:
        """Who answers; what is merely the first on offer gives way when it is switched off.

        A model that takes a person's own key (`is_own`) gets `own` or no reply.
        """
        default = self._settings.default_model
        if settings.model or default:
            return self._who(settings.model, own)
        provider, model = self._catalogue.resolve(None)
        if self._billing.switches.is_off(model.ref):
            for other in self._catalogue.models():
                if not self._billing.switches.is_off(other.ref):
                    return self._catalogue.resolve(other.ref)
        return provider, model

    def _who(self, ref: str | None, own: OwnKey | None) -> tuple[Provider, Model]:
        if ref and is_own(ref):
            return self.own_keys.resolve(ref, own)
        return self._catalogue.resolve(ref, self._settings.default_model)

    def find(self, typed: str, own: OwnKey | None = None) -> Model:
        """The model that somebody typed; with a key of their own, also one it may open."""
        typed = typed.strip()
        if is_own(typed):
            return self.own_keys.resolve(typed)[1]
        if own is not None and not self._catalogue.lists(typed):
            return self.own_keys.resolve(f"{own.name}/{typed}")[1]
        return self._catalogue.find(typed)[1]

    def meant(self, settings: ReplySettings) -> ReplySettings:
        """`settings` with a typed model's full reference, and nothing a database may refuse."""
        model = settings.model and self.find(settings.model).ref
        prompt = storable(settings.system_prompt)
        return replace(settings, model=model or None, system_prompt=prompt)

    def check_sight(
        self, files: Iterable[Attachment | NewAttachment | FileCost], settings: ReplySettings
    ) -> None:
        """Raises `ImagesUnsupported` for a picture that the model is known not to read."""
        if any(file.kind is FileKind.IMAGE for file in files):
            try:
                _, model = self.resolve(settings)
            except UnknownModel:  # sending will say so
                return
            if supports_vision(model, self._settings) is False:
                raise ImagesUnsupported(self.label(model.ref))

    def _room(self, settings: ReplySettings) -> int:
        """Tokens there are for one message and its files."""
        return token_budget(**self._limits(settings)) - TOKENS_PER_MESSAGE

    def _limits(self, settings: ReplySettings, so_far: int = 0) -> _Limits:
        return {
            "max_tokens": self._settings.max_history_tokens,
            "system_tokens": self._counter.count(self._system_prompt(settings)).tokens,
            "window_tokens": self._window(settings),
            "reserve_tokens": self._max_reply_tokens(settings) + so_far,
        }

    def _system_prompt(self, settings: ReplySettings) -> str:
        return settings.system_prompt or self._settings.default_system_prompt

    def _temperature(self, settings: ReplySettings) -> float | None:
        own = settings.temperature
        return own if own is not None else self._settings.default_temperature

    def _max_reply_tokens(self, settings: ReplySettings) -> int:
        most = self._settings.max_reply_tokens
        wanted = min(settings.max_reply_tokens or most, most)
        window = self._window(settings)
        # Half of a small window stays for the question and what came before.
        return wanted if window is None else max(1, min(wanted, window // 2))

    def _window(self, settings: ReplySettings) -> int | None:
        try:
            return self.resolve(settings)[1].window_tokens
        except UnknownModel:  # it was configured once; the conversation can still be read
            return None

"""Prices of provider calls: configured ones first, then the snapshot of `genai-prices`.

Works offline. The snapshot takes half a second to import, so it is loaded on first use. An
unknown price is None, never 0.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from chat.domain.limits import NANOS_PER_DOLLAR
from chat.domain.person import is_billed_to_operator
from chat.errors import SettingsError
from chat.providers.cloud_providers import CLOUD

log = logging.getLogger(__name__)

_FREE = {"guide", "local", "ollama", "lmstudio", "llamacpp", "vllm"}  # local models


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens for the models with a reference that matches `pattern`."""

    pattern: str
    prompt: Decimal
    completion: Decimal


def read_prices(written: str | None) -> tuple[Price, ...]:
    """Parse `MODEL_PRICES`: "openai/gpt-5=1.25/10, local/*=0/0". Raises `SettingsError`."""
    problems, found = [], []
    entries = filter(None, (each.strip() for each in (written or "").split(",")))
    for number, entry in enumerate(entries, 1):
        pattern, _, amounts = entry.rpartition("=")
        try:
            prompt, completion = (Decimal(amount.strip()) for amount in amounts.split("/"))
            if not pattern.strip() or not (0 <= prompt < 10**6 and 0 <= completion < 10**6):
                raise ValueError
        except (ValueError, InvalidOperation):
            problems.append(
                f"MODEL_PRICES should list entries like openai/gpt-5=1.25/10 (dollars per million "
                f"tokens, sent/received); entry {number} is not like that"
            )
            continue
        found.append(Price(pattern.strip(), prompt, completion))
    if problems:
        raise SettingsError(problems)
    return tuple(found)


class Prices:
    """Prices by model. `values` is the configuration, with the base URLs of custom providers."""

    def __init__(self, overrides: tuple[Price, ...], values: Mapping[str, Any]) -> None:
        self._overrides, self._values = overrides, values

    def load(self) -> None:
        """Load the snapshot."""
        self.cost("openai/gpt-4o", 0, 0)

    def cost(self, ref: str, prompt_tokens: int, completion_tokens: int) -> int | None:
        """Return the cost of a reply in billionths of a dollar; None if the price is unknown."""
        if not is_billed_to_operator(ref):
            return 0
        name, _, model_id = ref.partition("/")
        found = self.configured(ref, prompt_tokens, completion_tokens)
        if found is not None:
            return found
        return (
            0 if name in _FREE else self._listed(name, model_id, prompt_tokens, completion_tokens)
        )

    def configured(self, ref: str, prompt_tokens: int, completion_tokens: int) -> int | None:
        """Like `cost`, by `MODEL_PRICES` only: the snapshot does not list speech."""
        for price in self._overrides:
            if fnmatchcase(ref, price.pattern):
                total = price.prompt * prompt_tokens + price.completion * completion_tokens
                return round(total * NANOS_PER_DOLLAR / 1_000_000)
        return None

    def _listed(self, name: str, model_id: str, prompt: int, completion: int) -> int | None:
        where = self._where(name)
        if where is None:
            return None
        try:
            from genai_prices import Usage, calc_price

            found = calc_price(
                Usage(input_tokens=prompt, output_tokens=completion),
                model_id.removeprefix("models/"),
                **where,
            )
        except LookupError:
            return None
        except Exception as error:  # a price list must not fail a reply
            log.warning("no price for %s: %s", model_id, type(error).__name__)
            return None
        price = found.model_price
        if price.input_mtok is None or price.output_mtok is None:  # sold by the minute or call
            return None
        return round(found.total_price * NANOS_PER_DOLLAR)

    def _where(self, name: str) -> dict[str, Any] | None:
        if name in CLOUD:
            price_id = CLOUD[name].price_id
            return {"provider_id": price_id} if price_id else None
        table = self._values.get("providers")
        entry = table.get(name) if isinstance(table, Mapping) else None
        url = entry.get("base_url") if isinstance(entry, Mapping) else None
        return {"provider_api_url": str(url)} if url else None

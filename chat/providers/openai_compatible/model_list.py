"""Parse responses of `/models`, which differ from server to server. Pure."""

from __future__ import annotations

from typing import Any

from chat.observability.redaction import contains_secret
from chat.providers.base import Model
from chat.providers.cloud_providers import well_known_models
from chat.providers.openai_compatible.chat_models import can_chat

_MAX_ENTRIES, _MAX_ID = 5_000, 300
_WINDOWS = ("context_length", "context_window", "max_model_len", "max_context_length")


def parse_model_list(value: Any) -> list[dict[str, Any]] | None:
    """Return the entries of a model list, each with an `id`; None if `value` is no such list."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", "models") if name in value), None)
    if not isinstance(value, list):
        return None
    found = []
    for entry in value[:_MAX_ENTRIES]:
        entry = {"id": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, dict):
            continue
        model_id = entry.get("id") or entry.get("name")
        if isinstance(model_id, str) and model_id.strip() and len(model_id) <= _MAX_ID:
            found.append({**entry, "id": model_id.strip().removeprefix("models/")})
    return found if found or not value else None


def merge_models(
    provider: str,
    configured: tuple[str, ...],
    entries: list[dict[str, Any]],
    secrets: tuple[str, ...] = (),
) -> list[Model]:
    """Return the models on offer, best first: configured, well-known, then the other `entries`.

    A configured model is offered even if the list lacks it. An id that contains one of `secrets`
    is left out, because every user sees the ids.
    """
    known = well_known_models(provider)
    listed = {
        entry["id"]: (_window(entry), _vision(entry))
        for entry in _newest_first(entries)
        if can_chat(entry) and not contains_secret(entry["id"], secrets)
    }
    favourites = [*configured, *(each for each in known if each in listed)]
    ids = dict.fromkeys([*favourites, *listed])
    found = ((each, *listed.get(each, (None, None))) for each in ids)
    return [
        Model(provider, each, window or known.get(each), vision) for each, window, vision in found
    ]


def assumed_models(provider: str, configured: tuple[str, ...]) -> list[Model]:
    """Return the models on offer before the first discovery."""
    known = well_known_models(provider)
    return [Model(provider, each, known.get(each)) for each in configured or tuple(known)]


def _newest_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not all(isinstance(entry.get("created"), int) for entry in entries):
        return entries
    return sorted(entries, key=lambda entry: -entry["created"])


def _window(entry: dict[str, Any]) -> int | None:
    meta = entry.get("meta")
    sizes = [entry.get(name) for name in _WINDOWS]
    if isinstance(meta, dict):  # llama.cpp
        sizes += [meta.get("n_ctx"), meta.get("n_ctx_train")]
    return next((size for size in sizes if isinstance(size, int) and size > 0), None)


def _vision(entry: dict[str, Any]) -> bool | None:
    """Return whether the entry declares image input; None if it does not say."""
    architecture, capabilities = entry.get("architecture"), entry.get("capabilities")
    inputs = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    if isinstance(inputs, list) and inputs:
        return "image" in inputs
    if isinstance(capabilities, dict) and isinstance(capabilities.get("vision"), bool):
        return bool(capabilities["vision"])
    if isinstance(capabilities, list) and {"vision", "multimodal", "image"} & set(
        map(str, capabilities)
    ):
        return True
    declared = entry.get("supports_image_input")
    if isinstance(declared, bool):
        return declared
    return True if entry.get("type") == "vlm" else None

"""Reads the answers to `/models`, which every server words its own way. Pure."""

from __future__ import annotations

from typing import Any

from chat.observability.redaction import holds
from chat.providers.base import Model
from chat.providers.known_models import is_for_chat, well_known

_WINDOWS = ("context_length", "context_window", "max_model_len", "max_context_length")
_CHAT_KINDS = {"chat", "language", "code", "llm", "vlm", "model", "base", "text"}


def read_models(value: Any) -> list[dict[str, Any]] | None:
    """The entries of a models list, each with an `id`; None when it is no such list at all."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", "models") if name in value), None)
    if not isinstance(value, list):
        return None
    found = []
    for entry in value:
        entry = {"id": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, dict):
            continue
        model_id = entry.get("id") or entry.get("name")
        if isinstance(model_id, str) and model_id.strip():
            found.append({**entry, "id": model_id.strip().removeprefix("models/")})
    return found if found or not value else None


def as_models(
    provider: str,
    configured: tuple[str, ...],
    told: list[dict[str, Any]],
    secrets: tuple[str, ...] = (),
) -> list[Model]:
    """What can be chosen, best first: what was configured, the well-known, then the rest.

    A configured model stays even when the list does not name it: it was asked for by name. What
    holds one of the `secrets` is left out: names are shown to everybody.
    """
    known = well_known(provider)
    listed = {
        entry["id"]: (_window(entry), _vision(entry))
        for entry in _newest_first(told)
        if _can_chat(entry) and not holds(entry["id"], secrets)
    }
    favourites = [*configured, *(each for each in known if each in listed)]
    ids = dict.fromkeys([*favourites, *listed])
    found = ((each, *listed.get(each, (None, None))) for each in ids)
    return [Model(provider, each, window or known.get(each), sees) for each, window, sees in found]


def assumed_models(provider: str, configured: tuple[str, ...]) -> list[Model]:
    """What can be chosen before the provider has told its list."""
    known = well_known(provider)
    return [Model(provider, each, known.get(each)) for each in configured or tuple(known)]


def _newest_first(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not all(isinstance(entry.get("created"), int) for entry in told):
        return told
    return sorted(told, key=lambda entry: -entry["created"])


def _can_chat(entry: dict[str, Any]) -> bool:
    kind, capabilities = entry.get("type"), entry.get("capabilities")
    architecture = entry.get("architecture")
    if isinstance(kind, str) and kind.lower() not in _CHAT_KINDS:
        return False
    if isinstance(capabilities, dict) and capabilities.get("completion_chat") is False:
        return False
    if entry.get("active") is False or entry.get("supports_chat") is False:
        return False
    outputs = architecture.get("output_modalities") if isinstance(architecture, dict) else None
    if isinstance(outputs, list) and outputs and "text" not in outputs:
        return False
    return is_for_chat(entry["id"])


def _window(entry: dict[str, Any]) -> int | None:
    meta = entry.get("meta")
    told = [entry.get(name) for name in _WINDOWS]
    if isinstance(meta, dict):  # llama.cpp
        told += [meta.get("n_ctx"), meta.get("n_ctx_train")]
    return next((size for size in told if isinstance(size, int) and size > 0), None)


def _vision(entry: dict[str, Any]) -> bool | None:
    """Whether the entry says that the model reads images; None when it says nothing of it."""
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
    told = entry.get("supports_image_input")
    if isinstance(told, bool):
        return told
    return True if entry.get("type") == "vlm" else None

"""Which OpenAI-compatible endpoints a configuration offers. Pure: reads a mapping, calls nobody.

A cloud provider is offered with a key, or with a base URL of its own (a proxy or a server that asks
for no key); a local server when its address is given, else it may be looked for on its usual port.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from chat.config.settings import Endpoint, Settings
from chat.domain.person import OWN_KEY_PREFIX
from chat.errors import SettingsError

CLOUD = {
    "openai": ("OpenAI", "https://api.openai.com/v1"),
    "groq": ("Groq", "https://api.groq.com/openai/v1"),
    "mistral": ("Mistral", "https://api.mistral.ai/v1"),
    "gemini": ("Gemini", "https://generativelanguage.googleapis.com/v1beta/openai"),
    "together": ("Together", "https://api.together.xyz/v1"),
    "fireworks": ("Fireworks", "https://api.fireworks.ai/inference/v1"),
    "openrouter": ("OpenRouter", "https://openrouter.ai/api/v1"),
    "deepseek": ("DeepSeek", "https://api.deepseek.com/v1"),
}
LOCAL = {
    "ollama": ("Ollama", "http://127.0.0.1:11434/v1"),
    "lmstudio": ("LM Studio", "http://127.0.0.1:1234/v1"),
    "llamacpp": ("llama.cpp", "http://127.0.0.1:8080/v1"),
    "vllm": ("vLLM", "http://127.0.0.1:8000/v1"),
}
_RESERVED = {"guide", "local"}
_SPEECH_MODEL, _SPEECH_MODEL_AT_GROQ = "whisper-1", "whisper-large-v3-turbo"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CUSTOM_FIELDS = {"base_url", "api_key", "models", "label"}


def endpoints(values: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Every configured endpoint in order of preference: cloud, custom, local.

    Raises `SettingsError` naming every problem; no key is ever part of it.
    """
    problems: list[str] = []
    cloud = (_cloud(values, name, problems) for name in CLOUD)
    found = [endpoint for endpoint in cloud if endpoint is not None]
    found += _custom(values.get("providers"), {each.name for each in found}, problems)
    for name, (label, standard_url) in LOCAL.items():
        if _is_given(values, name, "BASE_URL"):
            found.append(_from_variables(values, name, label, standard_url, problems))
    if problems:
        raise SettingsError(problems)
    return tuple(found)


def unconfigured_local_servers(values: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """The local servers to look for on their usual ports: those that are not configured."""
    table = values.get("providers")
    taken = set(table) if isinstance(table, Mapping) else set()
    return tuple(
        Endpoint(name, label, url)
        for name, (label, url) in LOCAL.items()
        if name not in taken and not _is_given(values, name, "BASE_URL")
    )


def transcription_endpoint(settings: Settings) -> tuple[Endpoint, str] | None:
    """Who turns speech into text, and the model that does; None when nobody can be asked.

    A key goes to the address it was configured for, and to no other. Raises `SettingsError`.
    """
    problems: list[str] = []
    found = _speech_endpoint(settings, problems)
    if problems:
        raise SettingsError(problems)
    if found is None:
        return None
    is_groq = found.name == "groq" or found.base_url == CLOUD["groq"][1]
    usual = _SPEECH_MODEL_AT_GROQ if is_groq else _SPEECH_MODEL
    return found, settings.transcription_model or usual


def _speech_endpoint(settings: Settings, problems: list[str]) -> Endpoint | None:
    url, key = settings.transcription_base_url, settings.transcription_api_key
    openai = _cloud(settings.values or {}, "openai", problems)
    if not url and not key:
        return openai or _cloud(settings.values or {}, "groq", problems)
    usual_url = openai.base_url if openai else CLOUD["openai"][1]
    base_url = _url(url, "TRANSCRIPTION_BASE_URL", problems, usual_url)
    if openai and not key and base_url == openai.base_url:
        return openai
    key = _key(key, "TRANSCRIPTION_API_KEY", problems)
    if problems:
        return None
    known = {standard_url: label for label, standard_url in CLOUD.values()}
    known |= {openai.base_url: openai.label} if openai else {}
    label = known.get(base_url) or urlsplit(base_url).hostname or "The provider"
    return Endpoint("transcription", label, base_url, key)


def _cloud(values: Mapping[str, Any], name: str, problems: list[str]) -> Endpoint | None:
    """The cloud provider `name`, if it is configured."""
    if not (_is_given(values, name, "API_KEY") or _is_given(values, name, "BASE_URL")):
        return None
    return _from_variables(values, name, *CLOUD[name], problems)


def _from_variables(
    values: Mapping[str, Any], name: str, label: str, standard_url: str, problems: list[str]
) -> Endpoint:
    prefix = name.upper()
    base_url = _url(values.get(f"{prefix}_BASE_URL"), f"{prefix}_BASE_URL", problems, standard_url)
    return Endpoint(
        name,
        label,
        base_url,
        _key(values.get(f"{prefix}_API_KEY"), f"{prefix}_API_KEY", problems),
        _models(values.get(f"{prefix}_MODELS"), f"{prefix}_MODELS", problems),
        is_standard=name in CLOUD and base_url == standard_url,
    )


def _custom(table: Any, taken: set[str], problems: list[str]) -> list[Endpoint]:
    if table is None or table == "":
        return []
    if not isinstance(table, Mapping):
        problems.append("providers should be a table: [providers.<name>] with a base_url")
        return []
    found = []
    for name, entry in table.items():
        where = f"providers.{name}"
        if (
            not _NAME.fullmatch(str(name))
            or name in _RESERVED
            or str(name).startswith(OWN_KEY_PREFIX)
        ):
            problems.append(f"{where}: this name cannot be used for a provider")
        elif name in taken:
            problems.append(f"{where}: configured twice, also as {str(name).upper()}_…")
        elif not isinstance(entry, Mapping):
            problems.append(f"{where} should be a table with a base_url")
        else:
            unknown = sorted(set(map(str, entry)) - _CUSTOM_FIELDS)
            problems += [f"{where}.{field} is not a setting of a provider" for field in unknown]
            found.append(
                Endpoint(
                    str(name),
                    str(entry.get("label") or name),
                    _url(entry.get("base_url"), f"{where}.base_url", problems, None),
                    _key(entry.get("api_key"), f"{where}.api_key", problems),
                    _models(entry.get("models"), f"{where}.models", problems),
                )
            )
    return found


def _is_given(values: Mapping[str, Any], name: str, what: str) -> bool:
    raw = values.get(f"{name.upper()}_{what}")
    return raw is not None and str(raw).strip() != ""


def _url(raw: Any, where: str, problems: list[str], standard: str | None) -> str:
    """The address without a slash at its end; it is otherwise used as given."""
    text = str(raw or "").strip().rstrip("/")
    if not text:
        if standard is None:
            problems.append(f"{where} is missing")
        return standard or ""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        is_usable = False
    if not is_usable or any(character.isspace() for character in text):
        problems.append(f"{where} should be an address that starts with http:// or https://")
    return text


def _key(raw: Any, where: str, problems: list[str]) -> str:
    if raw is None:
        return ""
    if not isinstance(raw, str):
        problems.append(f"{where} should be text")
        return ""
    key = raw.strip()
    # Such a key could not be sent in a header: a pasted quote, an ellipsis, a line break.
    if not all("!" <= character <= "~" for character in key):
        problems.append(f"{where} holds characters that no key has; copy it again")
    return key


def _models(raw: Any, where: str, problems: list[str]) -> tuple[str, ...]:
    if raw is None:
        return ()
    listed = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, str) for each in listed):
        problems.append(f"{where} should be a list of model ids")
        return ()
    return tuple(dict.fromkeys(each.strip() for each in listed if each.strip()))

"""Read the OpenAI-compatible endpoints from the configuration. Pure: sends no requests.

A cloud provider is available with an API key, or with another base URL (a proxy, or a server
without authentication). A local server is available if its base URL is set; otherwise Parley may
probe its default port.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from chat.config.settings import Endpoint, Settings
from chat.domain.person import OWN_KEY_PREFIX
from chat.errors import SettingsError
from chat.observability.redaction import looks_like_key, redact
from chat.providers import base_url
from chat.providers.cloud_providers import CLOUD, CLOUD_PROVIDERS, CloudProvider

LOCAL = {
    "ollama": ("Ollama", "http://127.0.0.1:11434/v1"),
    "lmstudio": ("LM Studio", "http://127.0.0.1:1234/v1"),
    "llamacpp": ("llama.cpp", "http://127.0.0.1:8080/v1"),
    "vllm": ("vLLM", "http://127.0.0.1:8000/v1"),
}
_RESERVED = {"guide", "local"}
_DEFAULT_SPEECH_MODEL = "whisper-1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SETTINGS = ("API_KEY", "BASE_URL", "MODELS")
_CUSTOM_FIELDS = {"base_url", "api_key", "models", "label"}


def endpoints(values: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Return the configured endpoints in order of preference: cloud, custom, local.

    Raises `SettingsError` with all problems; its message never contains a key.
    """
    problems: list[str] = []
    cloud = (_cloud(values, each, problems) for each in CLOUD_PROVIDERS)
    found = [endpoint for endpoint in cloud if endpoint is not None]
    found += _custom(values.get("providers"), {each.name for each in found}, problems)
    for name, (label, default_url) in LOCAL.items():
        if _is_set(values, name, "BASE_URL"):
            found.append(_from_settings(values, name, label, default_url, problems))
    if problems:
        raise SettingsError(problems)
    return tuple(found)


def endpoint_setting_names() -> list[str]:
    """Return the names of all settings of providers, such as OPENAI_API_KEY."""
    cloud = [f"{each.name.upper()}_{what}" for each in CLOUD_PROVIDERS for what in _SETTINGS]
    return cloud + [f"{name.upper()}_{what}" for name in LOCAL for what in _SETTINGS]


def check_default_model(settings: Settings) -> None:
    """Raise `SettingsError` if `DEFAULT_MODEL` names no provider, or a misspelt one."""
    ref = settings.default_model
    if not ref:
        return
    provider, _, model_id = ref.partition("/")
    if not (provider.strip() and model_id.strip()):
        expected = "a provider and a model such as openai/gpt-4o"
        raise SettingsError([f"DEFAULT_MODEL should be {expected}, not {ref!r}"])
    table = (settings.values or {}).get("providers")
    custom = set(map(str, table)) if isinstance(table, Mapping) else set()
    # Other names are possible: the id of a model may begin with the name of its maker.
    known = {*CLOUD, *LOCAL, *_RESERVED, *custom}
    nearest = [] if provider in known else get_close_matches(provider.lower(), known, 1, 0.8)
    if nearest and not provider.startswith(OWN_KEY_PREFIX):
        raise SettingsError(
            [f"DEFAULT_MODEL: unknown provider {provider!r}. Did you mean {nearest[0]}?"]
        )


def unconfigured_local_servers(values: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Return the local servers to probe on their default ports: those that are not configured."""
    table = values.get("providers")
    taken = set(table) if isinstance(table, Mapping) else set()
    return tuple(
        Endpoint(name, label, url)
        for name, (label, url) in LOCAL.items()
        if name not in taken and not _is_set(values, name, "BASE_URL")
    )


def transcription_endpoint(settings: Settings) -> tuple[Endpoint, str] | None:
    """Return the endpoint and the model for speech recognition; None if none is configured.

    A key is sent only to the base URL that it was configured for. Raises `SettingsError`.
    """
    problems: list[str] = []
    found = _speech_endpoint(settings, problems)
    if problems:
        raise SettingsError(problems)
    if found is None:
        return None
    cloud = CLOUD.get(found.name) or _cloud_at(found.base_url)
    default = cloud.speech_model if cloud else None
    return found, settings.transcription_model or default or _DEFAULT_SPEECH_MODEL


def length_parameter(endpoint: Endpoint) -> str:
    """Return the name that an endpoint uses for the reply length limit.

    A cloud provider at another base URL is a proxy or a compatible server, for which the common
    name is the safer choice.
    """
    cloud = CLOUD.get(endpoint.name.removeprefix(OWN_KEY_PREFIX))
    return cloud.length_parameter if cloud and endpoint.is_standard else "max_tokens"


def _speech_endpoint(settings: Settings, problems: list[str]) -> Endpoint | None:
    url, key = settings.transcription_base_url, settings.transcription_api_key
    values = settings.values or {}
    if not url and not key:
        candidates = (each for each in CLOUD_PROVIDERS if each.speech_model)
        found = (_cloud(values, each, problems) for each in candidates)
        return next((each for each in found if each is not None), None)
    openai = _cloud(values, CLOUD["openai"], problems)
    default_url = openai.base_url if openai else CLOUD["openai"].base_url
    address = _url(url, "TRANSCRIPTION_BASE_URL", problems, default_url)
    if openai and not key and address == openai.base_url:
        return openai
    key = _key(key, "TRANSCRIPTION_API_KEY", problems)
    if problems:
        return None
    if openai and address == openai.base_url:
        label = openai.label
    elif cloud := _cloud_at(address):
        label = cloud.label
    else:
        label = urlsplit(address).hostname or "The provider"
    return Endpoint("transcription", label, address, key)


def _cloud_at(address: str) -> CloudProvider | None:
    return next((each for each in CLOUD_PROVIDERS if each.base_url == address), None)


def _cloud(values: Mapping[str, Any], cloud: CloudProvider, problems: list[str]) -> Endpoint | None:
    """Return the endpoint of a cloud provider if it is configured."""
    name = cloud.name
    if not (_is_set(values, name, "API_KEY") or _is_set(values, name, "BASE_URL")):
        return None
    return _from_settings(values, name, cloud.label, cloud.base_url, problems)


def _from_settings(
    values: Mapping[str, Any], name: str, label: str, default_url: str, problems: list[str]
) -> Endpoint:
    prefix = name.upper()
    address = _url(values.get(f"{prefix}_BASE_URL"), f"{prefix}_BASE_URL", problems, default_url)
    return Endpoint(
        name,
        label,
        address,
        _key(values.get(f"{prefix}_API_KEY"), f"{prefix}_API_KEY", problems),
        _models(values.get(f"{prefix}_MODELS"), f"{prefix}_MODELS", problems),
        is_standard=name in CLOUD and address == default_url,
    )


def _custom(table: Any, taken: set[str], problems: list[str]) -> list[Endpoint]:
    if table is None or table == "":
        return []
    if not isinstance(table, Mapping):
        problems.append("providers should be a table: [providers.<name>] with a base_url")
        return []
    found = []
    for number, (name, entry) in enumerate(table.items(), 1):
        where = f"providers.{name}"
        label = entry.get("label") if isinstance(entry, Mapping) else ""
        if looks_like_key(f"{name} {label}"):
            problems.append(f"the name or label of provider {number} in [providers] is an API key")
        elif (
            not _NAME.fullmatch(str(name))
            or name in _RESERVED
            or str(name).startswith(OWN_KEY_PREFIX)
        ):
            problems.append(f"{where}: this name is reserved or has invalid characters")
        elif name in taken:
            problems.append(f"{where}: configured twice, also by {str(name).upper()}_… settings")
        elif not isinstance(entry, Mapping):
            problems.append(f"{where} should be a table with a base_url")
        else:
            unknown = sorted(set(map(str, entry)) - _CUSTOM_FIELDS)
            problems += [f"{where}.{redact(field)} is not a provider setting" for field in unknown]
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


def _is_set(values: Mapping[str, Any], name: str, what: str) -> bool:
    raw = values.get(f"{name.upper()}_{what}")
    return raw is not None and str(raw).strip() != ""


def _url(raw: Any, where: str, problems: list[str], default: str | None) -> str:
    """Return the URL without the path of an endpoint that was pasted with it.

    A host that is known to need a path, such as `/v1`, gets the path of `default`.
    """
    text = str(raw or "").strip()
    if not text:
        if default is None:
            problems.append(f"{where} is missing")
        return default or ""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port  # raises ValueError for an invalid port
        text = base_url.normalized(text)
        is_known = default is not None and (
            where.removesuffix("_BASE_URL").lower() in LOCAL
            or parts.hostname == urlsplit(default).hostname
        )
        if default and is_known and not base_url.has_path(text):
            text = base_url.with_path(text, urlsplit(default).path)
    except ValueError:
        is_usable = False
    # A key instead of the address would be shown as the name of the server.
    is_key = is_usable and "." not in (parts.hostname or "") and looks_like_key(parts.netloc)
    if not is_usable or is_key or any(character.isspace() for character in text):
        problems.append(f"{where} should be a URL that starts with http:// or https://")
    return text


def _key(raw: Any, where: str, problems: list[str]) -> str:
    if raw is None:
        return ""
    if not isinstance(raw, str):
        problems.append(f"{where} should be text")
        return ""
    key = raw.strip()
    # Other characters cannot be sent in a header; they come from copying (quotes, an ellipsis).
    if not all("!" <= character <= "~" for character in key):
        problems.append(f"{where} contains characters that are not allowed in a key; copy it again")
    return key


def _models(raw: Any, where: str, problems: list[str]) -> tuple[str, ...]:
    if raw is None:
        return ()
    listed = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, str) for each in listed):
        problems.append(f"{where} should be a list of model ids")
        return ()
    if any(map(looks_like_key, listed)):
        problems.append(f"{where} should list model ids, not an API key: everyone can see it")
        return ()
    return tuple(dict.fromkeys(each.strip() for each in listed if each.strip()))

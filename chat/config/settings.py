"""One frozen Settings, read once from a mapping; every problem is reported in one message.

It knows names, defaults and limits, and nothing of what is done with them.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.config.openid import sign_in_problems
from chat.config.sources import unreadable_files
from chat.errors import SettingsError

DEFAULT_DATABASE_URL = "sqlite:///data/parley.db"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A configured OpenAI-compatible provider. `models` is used until it has told its own list."""

    name: str
    label: str
    base_url: str = dataclasses.field(repr=False)  # it may hold a password
    api_key: str = dataclasses.field(default="", repr=False)  # a repr ends in logs
    models: tuple[str, ...] = ()
    is_standard: bool = False  # the provider's public address: its well-known models may be assumed


@dataclass(frozen=True, slots=True)
class Settings:
    """All configuration. Timeouts are in seconds, limits in tokens, unless the name says more."""

    database_url: str = DEFAULT_DATABASE_URL
    max_history_tokens: int = 16_000
    max_history_turns: int | None = None
    max_user_message_tokens: int = 8_000
    max_reply_tokens: int = 4_096
    default_model: str | None = None
    default_temperature: float | None = None
    default_system_prompt: str = ""
    max_files: int = 10  # with one message
    max_file_mb: float = 20.0
    max_uploads_mb: float = 1000.0  # of one visitor in an hour
    long_paste_characters: int = 4_000  # a longer paste becomes a file; 0: never
    vision_models: str | None = None  # patterns, separated by commas
    text_models: str | None = None
    transcription_model: str | None = None
    transcription_base_url: str | None = None
    transcription_api_key: str | None = dataclasses.field(default=None, repr=False)
    transcription_language: str | None = None
    max_recording_mb: float = 25.0
    max_recording_seconds: float = 600.0
    connect_timeout: float = 10.0
    first_token_timeout: float = 60.0
    idle_timeout: float = 30.0
    max_retries: int = 2
    find_local_servers: bool = True
    allow_own_keys: bool = True  # a person may type one; it stays in their tab's memory
    allow_custom_endpoints: bool = False  # … and an address to use it at
    local_model: str | None = None
    # For each visitor or account, then for all of them together. None: no limit.
    limit_messages_per_minute: int | None = None
    limit_messages_per_day: int | None = None
    limit_tokens_per_day: int | None = None
    limit_dollars_per_day: float | None = None
    limit_concurrent_replies: int | None = None
    limit_instance_messages_per_minute: int | None = None
    limit_instance_messages_per_day: int | None = None
    limit_instance_tokens_per_day: int | None = None
    limit_instance_dollars_per_day: float | None = None
    limit_instance_concurrent_replies: int | None = None
    limit_request_tokens: int | None = None  # of one request, without its reply
    model_prices: str | None = None  # see `chat.billing.prices`
    disk_is_kept: bool | None = None  # None: unless the host is known to empty it
    retention_days: int = 30  # what was deleted stays that long, to be taken back
    allowed_emails: str | None = None  # who may sign in: addresses and domains, or everybody
    admin_emails: str | None = None
    access_code: str | None = dataclasses.field(default=None, repr=False)
    local_admin: bool | None = None  # None: on a desktop
    trusted_proxies: int = 0  # how many stand in front and add to X-Forwarded-For
    tiktoken_cache_dir: str | None = None
    frame_ancestors: str = "'self'"  # whose pages may show Parley in a frame
    log_level: str = "INFO"
    log_format: str = "text"
    metrics_token: str | None = dataclasses.field(default=None, repr=False)
    # The mapping itself, for providers; it holds keys, and a repr ends in logs.
    values: Mapping[str, Any] = dataclasses.field(default=None, repr=False)  # type: ignore[arg-type]


_READERS: dict[str, tuple[str, type, float | None, float | None]] = {
    # setting: (name, kind, least, most)
    "database_url": ("DATABASE_URL", str, None, None),
    "max_history_tokens": ("MAX_HISTORY_TOKENS", int, 1, None),
    "max_history_turns": ("MAX_HISTORY_TURNS", int, 1, None),
    "max_user_message_tokens": ("MAX_USER_MESSAGE_TOKENS", int, 1, None),
    "max_reply_tokens": ("MAX_REPLY_TOKENS", int, 1, None),
    "default_model": ("DEFAULT_MODEL", str, None, None),
    "default_temperature": ("DEFAULT_TEMPERATURE", float, 0, 2),
    "default_system_prompt": ("DEFAULT_SYSTEM_PROMPT", str, None, None),
    "max_files": ("MAX_FILES", int, 1, 100),
    "max_file_mb": ("MAX_FILE_MB", float, 0.001, 200),
    "max_uploads_mb": ("MAX_UPLOADS_MB", float, 1, None),
    "long_paste_characters": ("LONG_PASTE_CHARACTERS", int, 0, None),
    "vision_models": ("VISION_MODELS", str, None, None),
    "text_models": ("TEXT_MODELS", str, None, None),
    "transcription_model": ("TRANSCRIPTION_MODEL", str, None, None),
    "transcription_base_url": ("TRANSCRIPTION_BASE_URL", str, None, None),
    "transcription_api_key": ("TRANSCRIPTION_API_KEY", str, None, None),
    "transcription_language": ("TRANSCRIPTION_LANGUAGE", str, None, None),
    "max_recording_mb": ("MAX_RECORDING_MB", float, 0.001, 100),
    "max_recording_seconds": ("MAX_RECORDING_SECONDS", float, 1, 7200),
    "connect_timeout": ("CONNECT_TIMEOUT", float, 0.01, 3600),
    "first_token_timeout": ("FIRST_TOKEN_TIMEOUT", float, 0.01, 3600),
    "idle_timeout": ("IDLE_TIMEOUT", float, 0.01, 3600),
    "max_retries": ("MAX_RETRIES", int, 0, 10),
    "find_local_servers": ("FIND_LOCAL_SERVERS", bool, None, None),
    "allow_own_keys": ("ALLOW_OWN_KEYS", bool, None, None),
    "allow_custom_endpoints": ("ALLOW_CUSTOM_ENDPOINTS", bool, None, None),
    "local_model": ("LOCAL_MODEL", str, None, None),
    "limit_messages_per_minute": ("LIMIT_MESSAGES_PER_MINUTE", int, 1, None),
    "limit_messages_per_day": ("LIMIT_MESSAGES_PER_DAY", int, 1, None),
    "limit_tokens_per_day": ("LIMIT_TOKENS_PER_DAY", int, 1, None),
    "limit_dollars_per_day": ("LIMIT_DOLLARS_PER_DAY", float, 0.0001, 1_000_000),
    "limit_concurrent_replies": ("LIMIT_CONCURRENT_REPLIES", int, 1, None),
    "limit_instance_messages_per_minute": (
        "LIMIT_INSTANCE_MESSAGES_PER_MINUTE",
        int,
        1,
        None,
    ),
    "limit_instance_messages_per_day": ("LIMIT_INSTANCE_MESSAGES_PER_DAY", int, 1, None),
    "limit_instance_tokens_per_day": ("LIMIT_INSTANCE_TOKENS_PER_DAY", int, 1, None),
    "limit_instance_dollars_per_day": (
        "LIMIT_INSTANCE_DOLLARS_PER_DAY",
        float,
        0.0001,
        1_000_000,
    ),
    "limit_instance_concurrent_replies": ("LIMIT_INSTANCE_CONCURRENT_REPLIES", int, 1, None),
    "limit_request_tokens": ("LIMIT_REQUEST_TOKENS", int, 1, None),
    "model_prices": ("MODEL_PRICES", str, None, None),
    "disk_is_kept": ("DISK_IS_KEPT", bool, None, None),
    "retention_days": ("RETENTION_DAYS", int, 0, 36_500),
    "allowed_emails": ("ALLOWED_EMAILS", str, None, None),
    "admin_emails": ("ADMIN_EMAILS", str, None, None),
    "access_code": ("ACCESS_CODE", str, None, None),
    "local_admin": ("LOCAL_ADMIN", bool, None, None),
    "trusted_proxies": ("TRUSTED_PROXIES", int, 0, 10),
    "tiktoken_cache_dir": ("TIKTOKEN_CACHE_DIR", str, None, None),
    "frame_ancestors": ("FRAME_ANCESTORS", str, None, None),
    "log_level": ("LOG_LEVEL", str, None, None),
    "log_format": ("LOG_FORMAT", str, None, None),
    "metrics_token": ("METRICS_TOKEN", str, None, None),
}
_ANCESTOR = re.compile(
    r"'self'|(?:https?://)?(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::(?:\d+|\*))?"
)
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def read_settings(values: Mapping[str, Any]) -> Settings:
    """Settings from names and values as in `.env.example`; an empty value counts as not given.

    Raises `SettingsError` with every problem at once.
    """
    settings, problems = parse_settings(values)
    if problems:
        raise SettingsError(problems)
    return settings


def parse_settings(values: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """What can be understood of a configuration, and what is wrong with the rest."""
    problems = list(unreadable_files(values))
    found: dict[str, Any] = {}
    for field, (name, kind, least, most) in _READERS.items():
        raw = values.get(name)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            continue
        try:
            value = _parse(raw, kind)
        except ValueError:
            problems.append(f"{name} should be {_WORDS[kind]}, not {raw!r}")
            continue
        if (least is not None and not value >= least) or (most is not None and value > most):
            bounds = f"at least {least:g}" + (f" and at most {most:g}" if most is not None else "")
            problems.append(f"{name} should be {bounds}, not {value}")
            continue
        found[field] = value
    level = str(found.get("log_level", "INFO")).upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        problems.append(f"LOG_LEVEL should be DEBUG, INFO, WARNING or ERROR, not {level!r}")
    form = str(found.get("log_format", "text")).lower()
    if form not in {"text", "json"}:
        problems.append(f"LOG_FORMAT should be text or json, not {form!r}")
    if len(found.get("metrics_token", "x" * 16)) < 16:
        problems.append("METRICS_TOKEN should be random, with at least 16 characters")
    if len(found.get("access_code", "x" * 6)) < 6:  # it could be guessed; it is not repeated
        problems.append("ACCESS_CODE should have at least 6 characters")
    if (auth := values.get("auth")) is not None:
        problems += sign_in_problems(auth)
    ancestors = str(found.get("frame_ancestors", "")).split()
    if ancestors != ["'none'"] and not all(_ANCESTOR.fullmatch(each) for each in ancestors):
        example = "'self' https://*.example.com"
        problems.append(
            f"FRAME_ANCESTORS should be addresses such as {example}, with spaces between"
        )
    if found.get("allowed_emails") and not values.get("auth") and not unreadable_files(values):
        problems.append(
            "ALLOWED_EMAILS needs [auth] in .streamlit/secrets.toml: without it nobody signs in, "
            "and everybody would be let in"
        )
    return Settings(**{**found, "log_level": level, "log_format": form}, values=values), problems


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _parse(raw: Any, kind: type) -> Any:
    if kind is bool:
        word = str(raw).strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError(raw)
    if kind is int:
        return int(str(raw).replace("_", "").replace(",", ""))
    if isinstance(raw, list | tuple):  # of TOML
        return kind(",".join(str(each).strip() for each in raw))
    value = kind(str(raw).strip())
    if kind is float and not math.isfinite(value):
        raise ValueError(raw)
    return value

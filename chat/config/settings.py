"""All settings: one field each, with its default and its bounds.

A field's name in upper case is the setting's name in the environment, in `.env` and in the
secrets file. To add a setting, add a field here, a line in `.env.example` and a row in
docs/manual/settings.md. This module does not know how settings are used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from chat.config.openid import sign_in_problems
from chat.config.parsing import Kind, parse_value
from chat.config.sources import unreadable_files
from chat.config.validation import rule_problems
from chat.errors import SettingsError

DEFAULT_DATABASE_URL = "sqlite:///data/parley.db"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A configured OpenAI-compatible provider. `models` is used until its own list is loaded."""

    name: str
    label: str
    base_url: str = dataclasses.field(repr=False)  # it may contain a password
    api_key: str = dataclasses.field(default="", repr=False)  # a repr may be logged
    models: tuple[str, ...] = ()
    is_standard: bool = False  # True for the provider's public address, with well-known models


def _setting(
    default: Any = None,
    *,
    least: float | None = None,
    most: float | None = None,
    is_secret: bool = False,
) -> Any:
    """Declare a setting between `least` and `most`, both inclusive.

    A secret is left out of the repr, because a repr may be logged.
    """
    metadata = {"least": least, "most": most}
    return dataclasses.field(default=default, repr=not is_secret, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration. Timeouts are in seconds and limits in tokens, unless the name says more.

    None means that nothing is configured: no limit, or the behaviour described at the field.
    """

    database_url: str = _setting(DEFAULT_DATABASE_URL)
    database_connections: int = _setting(15, least=2, most=500)  # of each process to PostgreSQL
    max_history_tokens: int = _setting(16_000, least=1)
    max_history_turns: int | None = _setting(least=1)
    max_user_message_tokens: int = _setting(8_000, least=1)
    max_reply_tokens: int = _setting(4_096, least=1)
    default_model: str | None = _setting()
    default_temperature: float | None = _setting(least=0, most=2)
    default_system_prompt: str = _setting("")
    max_files: int = _setting(10, least=1, most=100)  # per message
    max_file_mb: float = _setting(20.0, least=0.001, most=200)
    max_uploads_mb: float = _setting(1000.0, least=1)  # per visitor and hour
    max_stored_mb: float = _setting(2000.0, least=1)  # of texts and files, per visitor
    long_paste_characters: int = _setting(4_000, least=0)  # longer pastes become files; 0: never
    vision_models: str | None = _setting()  # patterns, separated by commas
    text_models: str | None = _setting()
    transcription_model: str | None = _setting()
    transcription_base_url: str | None = _setting()
    transcription_api_key: str | None = _setting(is_secret=True)
    transcription_language: str | None = _setting()
    max_recording_mb: float = _setting(25.0, least=0.001, most=100)
    max_recording_seconds: float = _setting(600.0, least=1, most=7200)
    connect_timeout: float = _setting(10.0, least=0.01, most=3600)
    first_token_timeout: float = _setting(60.0, least=0.01, most=3600)
    idle_timeout: float = _setting(30.0, least=0.01, most=3600)
    max_retries: int = _setting(2, least=0, most=10)
    find_local_servers: bool = _setting(True)
    allow_own_keys: bool = _setting(True)  # a user's key stays in the memory of their tab
    allow_custom_endpoints: bool = _setting(False)  # base URLs entered together with an own key
    local_model: str | None = _setting()
    # Limits per visitor or account, then for the whole instance.
    limit_messages_per_minute: int | None = _setting(least=1)
    limit_messages_per_day: int | None = _setting(least=1)
    limit_tokens_per_day: int | None = _setting(least=1)
    limit_dollars_per_day: float | None = _setting(least=0.0001, most=1_000_000)
    limit_concurrent_replies: int | None = _setting(least=1)
    limit_instance_messages_per_minute: int | None = _setting(least=1)
    limit_instance_messages_per_day: int | None = _setting(least=1)
    limit_instance_tokens_per_day: int | None = _setting(least=1)
    limit_instance_dollars_per_day: float | None = _setting(least=0.0001, most=1_000_000)
    limit_instance_concurrent_replies: int | None = _setting(least=1)
    limit_request_tokens: int | None = _setting(least=1)  # of one request, without its reply
    model_prices: str | None = _setting()  # format: see `chat.billing.prices`
    disk_is_kept: bool | None = _setting()  # None: detected by `chat.config.ephemeral_disk`
    retention_days: int = _setting(30, least=0, most=36_500)  # of deleted conversations
    allowed_emails: str | None = _setting()  # addresses and domains; None: every signed-in account
    admin_emails: str | None = _setting()
    access_code: str | None = _setting(is_secret=True)
    local_admin: bool | None = _setting()  # None: only if Parley was started on a desktop
    trusted_proxies: int = _setting(0, least=0, most=10)  # that append to X-Forwarded-For
    tiktoken_cache_dir: str | None = _setting()
    frame_ancestors: str = _setting("'self'")  # origins that may embed Parley in a frame
    log_level: str = _setting("INFO")
    log_format: str = _setting("text")
    metrics_token: str | None = _setting(is_secret=True)
    # The raw mapping, from which providers read their keys; left out of the repr.
    values: Mapping[str, Any] = dataclasses.field(default=None, repr=False)  # type: ignore[arg-type]

    @property
    def is_restricted(self) -> bool:
        """Whether strangers need a code or an account, or are held back by a limit."""
        limits = (name for name in setting_names().values() if "_per_" in name)
        has_limit = any(getattr(self, name) is not None for name in limits)
        return bool(self.access_code) or "auth" in (self.values or {}) or has_limit


def setting_names() -> dict[str, str]:
    """Return the fields of `Settings` by the name of the setting, such as MAX_FILES."""
    return {each.name.upper(): each.name for each in _fields()}


def read_settings(values: Mapping[str, Any]) -> Settings:
    """Return the settings from names and values as in `.env.example`. Empty values are ignored.

    Raises `SettingsError` with every problem at once.
    """
    settings, problems = parse_settings(values)
    if problems:
        raise SettingsError(problems)
    return settings


def parse_settings(values: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """Return the settings that are valid, with defaults for the others, and all problems."""
    problems = list(unreadable_files(values))
    found: dict[str, Any] = {}
    for each in _fields():
        name, raw = each.name.upper(), values.get(each.name.upper())
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            continue
        try:
            found[each.name] = parse_value(name, raw, _kinds()[each.name], **each.metadata)
        except ValueError as error:
            problems.append(str(error))
    found["log_level"] = str(found.get("log_level", "INFO")).upper()
    found["log_format"] = str(found.get("log_format", "text")).lower()
    problems += rule_problems(found)
    auth = values.get("auth")
    if auth is not None:
        problems += sign_in_problems(auth)
    if found.get("allowed_emails") and not auth and not unreadable_files(values):
        problems.append(
            "ALLOWED_EMAILS needs [auth] in .streamlit/secrets.toml: without it nobody signs in, "
            "and everybody would be let in"
        )
    return Settings(**found, values=values), problems


def _fields() -> tuple[dataclasses.Field[Any], ...]:
    return tuple(each for each in dataclasses.fields(Settings) if each.metadata)


@cache
def _kinds() -> dict[str, Kind]:
    """Return the type of each setting by field name, without its `None`."""
    hints = get_type_hints(Settings)
    return {each.name: (get_args(hints[each.name]) or (hints[each.name],))[0] for each in _fields()}

"""The configuration of this process: read once, and passed on by `app.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import streamlit as st

from chat import Settings, SettingsError, load_config, read_settings
from pages.streamlit_patches.streamlit_secrets import read_secrets


@dataclass(frozen=True)
class Configuration:
    """The configured values, and the settings they mean.

    If a value is invalid, all settings have their defaults: no screen is shown then, only the
    list of problems, and the server (log format, headers, upload limits) needs some settings.
    """

    values: Mapping[str, Any]
    settings: Settings


@cache
def read() -> Configuration:
    """Return the configuration from the environment, `.env` and the secrets files."""
    values = _load()
    try:
        return Configuration(values, read_settings(values))
    except SettingsError:  # raised again, with all problems, when the service is opened
        return Configuration(values, Settings())


def forget() -> None:
    """Let the next `read` read it again."""
    read.cache_clear()


def _load() -> Mapping[str, Any]:
    secrets = read_secrets()
    if secrets is not None:
        return load_config(secrets)
    # This reports which of the files cannot be parsed.
    return load_config(files=st.get_option("secrets.files"))

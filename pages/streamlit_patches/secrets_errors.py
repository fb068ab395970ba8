"""The secrets file as Streamlit reads it, and what is configured with it.

Streamlit goes on without a file that is no TOML, but not without one that is no UTF-8 or that it
may not read: then the server would answer with errors only, where a page can say what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime.secrets import Secrets

from chat import load_config

_parse_file = Secrets._parse_toml_file


def make_bearable() -> None:
    """From now on a file that cannot be read is like one that cannot be understood."""
    Secrets._parse_toml_file = _parsed  # type: ignore[method-assign, assignment]


def _parsed(secrets: Secrets, path: str) -> tuple[Mapping[str, Any], bool]:
    try:
        return _parse_file(secrets, path)
    except StreamlitSecretNotFoundError:  # which calls itself an OSError
        raise
    except (UnicodeDecodeError, OSError) as error:
        raise StreamlitSecretNotFoundError(
            "Error reading secrets file at {path}: {error}",
            path=path,
            error=type(error).__name__,
            error_id="failed-parsing-secrets-file",
        ) from None


def config() -> Mapping[str, Any]:
    """Everything configured. Of secrets that Streamlit cannot load it is told why."""
    if st.secrets.load_if_toml_exists():
        return load_config(st.secrets.to_dict())
    return load_config(files=st.get_option("secrets.files"))

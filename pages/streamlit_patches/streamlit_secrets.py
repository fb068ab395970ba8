"""The secrets as Streamlit's own sign-in reads them."""

from __future__ import annotations

from typing import Any

import streamlit as st


def read_secrets() -> dict[str, Any] | None:
    """Return the current secrets; None if there are none or a file cannot be parsed.

    Streamlit watches the files, so the result can change while the server runs.
    """
    return st.secrets.to_dict() if st.secrets.load_if_toml_exists() else None

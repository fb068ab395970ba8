"""The HTML file that Streamlit serves at every address of the app."""

from __future__ import annotations

from pathlib import Path

import streamlit as st


def index_html() -> str:
    """Return the page; empty if this installation has none, such as a development checkout."""
    file = Path(st.__file__).parent / "static" / "index.html"
    return file.read_text("utf-8") if file.is_file() else ""

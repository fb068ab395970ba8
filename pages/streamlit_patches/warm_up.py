"""Imports that Streamlit postpones to the first use, made at start instead."""

from __future__ import annotations


def import_component_runtime() -> None:
    """Import what `st.components.v1` needs to pass values to a component.

    It loads pyarrow, which takes half a second; without this the first visitor waits for it.
    """
    from streamlit.components.v1 import component_arrow  # noqa: F401

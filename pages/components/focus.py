"""Move the keyboard focus to a text input, for which Streamlit has no API."""

from __future__ import annotations

from pages.components import browser_component

_focus = browser_component.declare("focus")


def draw(key: str) -> None:
    """Focus the text input of the widget `key` once, when it appears."""
    _focus(key=f"focus_{key}", data={"key": key}, height="content")

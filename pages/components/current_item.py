"""Mark the conversation in view with aria-current, which Streamlit's buttons do not support."""

from __future__ import annotations

from chat import Conversation
from pages.components import browser_component

_current_item = browser_component.declare("current_item")


def draw(current: Conversation | None) -> None:
    """Mark the button of `current` in the conversation list, or none."""
    data = {"id": current.id if current else "none"}
    _current_item(key="current", data=data, height="content")

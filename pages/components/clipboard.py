"""Copy buttons for messages, which Streamlit does not have.

Each button is a piece of HTML that holds its text, and one component listens for clicks on all of
them. A component for each message would be one more widget that every rerun has to process.
"""

from __future__ import annotations

from base64 import b64encode

import streamlit as st

from pages.components import browser_component

_listener = browser_component.declare("clipboard")


def draw_listener() -> None:
    """Mount the listener that makes the copy buttons of the page work."""
    _listener(key="clipboard", height="content")


def draw_button(text: str, key: str) -> None:
    """Render a button that copies exactly `text`. Its class is that of a widget with this key."""
    copies = b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")
    st.html(
        f'<div class="st-key-{key}"><button type="button" title="Copy as Markdown" '
        f'data-copies="{copies}"><span aria-live="polite">Copy</span></button></div>',
        width="content",
    )

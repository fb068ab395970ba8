"""Scroll requests: to the end after a message was sent, or to a message opened by a search.

Without a request the reader's position is kept, also while a reply grows. On a narrow screen, where
the sidebar covers the page, the script also collapses it after a selection: Streamlit has no API
for either.
"""

from __future__ import annotations

import secrets

import streamlit as st

from pages.components import browser_component
from pages.session import tab_state

_scroll = browser_component.declare("scroll")


def to_answer(answer_id: str) -> None:
    """Scroll to the end when the answer that this tab has just requested is rendered."""
    tab_state.scroll_to(answer_id)


def to_end() -> None:
    """Scroll to the end of the conversation that is rendered next."""
    tab_state.scroll_to(secrets.token_hex(8))


def to_message(message_id: str) -> None:
    """Scroll to a message that is rendered next."""
    st.session_state["scroll_to"] = secrets.token_hex(8)
    st.session_state["scroll_message"] = message_id


def draw() -> None:
    """Mount the component with the latest request; it handles each request once."""
    request = st.session_state.get("scroll_to", "")
    data = {"to": request, "message": st.session_state.get("scroll_message", "")}
    _scroll(key="scroll", data=data, height="content")

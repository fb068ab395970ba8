"""The way back from another screen to the conversation that was in view."""

from __future__ import annotations

import streamlit as st

from pages.parts import address, state


def draw() -> None:
    address.forget()
    st.page_link(
        "pages/screens/conversation.py",
        label="Back to the chat",
        icon=":material/chat:",
        query_params=state.last_seen(),
    )

"""Link from another screen back to the conversation that was in view."""

from __future__ import annotations

import streamlit as st

from pages.session import tab_state, url


def draw() -> None:
    url.forget()
    st.page_link(
        "pages/screens/conversation.py",
        label="Back to the chat",
        icon=":material/chat:",
        query_params=tab_state.last_view(),
    )

"""The welcome screen of an empty conversation: the model in use and suggestions."""

from __future__ import annotations

import streamlit as st

from chat import ProviderError
from pages.composer import composer
from pages.markdown import sanitize
from pages.session import tab_state

_STARTERS = {
    "guide": [
        ("What can you do?", ":material/waving_hand:"),
        ("How do I connect a model?", ":material/key:"),
        ("Show me what Markdown can look like", ":material/format_paint:"),
        ("Can I edit a message and keep the old one?", ":material/history:"),
    ],
    "model": [
        ("Explain a hard idea simply: how do vaccines work?", ":material/lightbulb:"),
        ("Write a SQL query that finds duplicate rows", ":material/code:"),
        ("Help me plan a one-hour workshop", ":material/event_note:"),
        ("Summarise the pros and cons of remote work in a table", ":material/table:"),
    ],
}


def draw() -> None:
    service = tab_state.service()
    chosen = tab_state.draft_settings().model
    try:
        is_guide = service.models.get(chosen).provider == "guide"
    except ProviderError:  # reported when a message is sent
        is_guide = False
    subtitle = f"**{sanitize.plain_text(service.models.label(chosen))}**"
    if is_guide:
        subtitle = (
            "**Guide** is a built-in assistant that knows Parley's manual and works offline. "
            "Ask it how to connect a language model."
        )
    with st.container(key="welcome"):
        st.header("How can I help?", anchor=False, text_alignment="center")
        st.markdown(subtitle, text_alignment="center")
        with st.container(key="starters", gap="small"):
            for number, (text, icon) in enumerate(_STARTERS["guide" if is_guide else "model"]):
                st.button(
                    text,
                    key=f"starter_{number}",
                    icon=icon,
                    on_click=composer.send_suggestion,
                    args=(text,),
                    width="stretch",
                )

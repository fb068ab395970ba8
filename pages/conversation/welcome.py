"""What stands in an empty conversation: what this is, who answers, and a few ways to begin."""

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
        is_guide = service.model(chosen).provider == "guide"
    except ProviderError:  # sending will say so; there is a list to choose from
        is_guide = False
    label = sanitize.plain_text(service.model_label(chosen))
    who = f"**{label}** answers. Every message is kept, and every edit and retry as a version."
    if is_guide:
        who = (
            "**Guide** answers: a built-in assistant that knows Parley's manual, offline. "
            "Ask it how to connect a language model."
        )
    with st.container(key="welcome"):
        st.header("What shall we talk about?", anchor=False, text_alignment="center")
        st.markdown(who, text_alignment="center")
        with st.container(key="starters", gap="small"):
            for number, (text, icon) in enumerate(_STARTERS["guide" if is_guide else "model"]):
                st.button(
                    text,
                    key=f"starter_{number}",
                    icon=icon,
                    on_click=composer.start,
                    args=(text,),
                    width="stretch",
                )

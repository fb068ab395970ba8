"""Search, in the sidebar in place of the list: words in titles and messages.

It stands in the main script, so that it also works while a reply is written.
"""

from __future__ import annotations

import streamlit as st

from pages.parts import focus, notices, state
from pages.text import markdown

KEY = "search_text"


def is_open() -> bool:
    return bool(st.session_state.get("is_searching"))


def toggle() -> None:
    st.session_state["is_searching"] = not is_open()
    st.session_state.pop(KEY, None)


def draw() -> None:
    text = st.text_input(
        "Search your conversations",
        key=KEY,
        type="search",
        live=True,
        placeholder="Words in titles and messages",
        label_visibility="collapsed",
    )
    focus.on(KEY)
    found = state.stored().search(state.owner(), text or "")
    if text and not found:
        st.caption("Nothing found.")
    for conversation in found:
        st.button(
            markdown.line(conversation.title),
            key=f"found_{conversation.id}",
            icon=":material/chat_bubble:",
            type="tertiary",
            width="stretch",
            wrap=False,
            on_click=_open,
            args=(conversation.id,),
        )


def _open(conversation_id: str) -> None:
    notices.dismiss()
    toggle()
    state.set_temporary(is_temporary=False)
    state.show_conversation(conversation_id)

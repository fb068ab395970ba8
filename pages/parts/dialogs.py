"""What opens over the page: search, and the list of keyboard shortcuts."""

from __future__ import annotations

import streamlit as st

from pages.parts import focus, notices, state
from pages.text import markdown

_SHORTCUTS = """
| Keys | What they do |
|---|---|
| Enter | Send the message |
| Shift + Enter | Break the line |
| Ctrl + Shift + O | New conversation |
| Ctrl + K | Search |
| Esc | Stop the reply |
| Ctrl + Enter | Send an edited message |

On a Mac, Cmd stands for Ctrl.
"""


def open_search() -> None:
    st.session_state["dialog"] = "search"


def open_shortcuts() -> None:
    st.session_state["dialog"] = "shortcuts"


def draw() -> None:
    """Open the dialog that was asked for in this run."""
    wanted = st.session_state.pop("dialog", None)
    if wanted == "search":
        _search()
    elif wanted == "shortcuts":
        _shortcuts()


@st.dialog("Keyboard shortcuts", icon=":material/keyboard:")
def _shortcuts() -> None:
    st.markdown(_SHORTCUTS)


@st.dialog("Search", icon=":material/search:")
def _search() -> None:
    text = st.text_input(
        "Search your conversations",
        key="search_text",
        type="search",
        live=True,
        placeholder="Words in titles and messages",
        label_visibility="collapsed",
    )
    focus.on("search_text")
    found = state.service().search(state.owner(), text or "")
    if text and not found:
        st.caption("Nothing found.")
    for conversation in found:
        st.button(
            markdown.line(conversation.title),
            key=f"found_{conversation.id}",
            icon=":material/chat_bubble:",
            type="tertiary",
            width="stretch",
            on_click=_open,
            args=(conversation.id,),
        )
    # A button's callback runs before this; the dialog closes by drawing the page anew.
    if st.session_state.pop("search_is_done", False):
        st.rerun()


def _open(conversation_id: str) -> None:
    notices.dismiss()
    state.show_conversation(conversation_id)
    st.session_state["search_is_done"] = True

"""Search, in the sidebar in place of the list: titles and messages, opened where they match.

It stands in the main script, so that it also works while a reply is written.
"""

from __future__ import annotations

import streamlit as st

from chat import Hit
from pages.parts import focus, state
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
        placeholder="Words, model:, after:, is:pinned",
        label_visibility="collapsed",
    )
    focus.on(KEY)
    found = state.stored().search(state.owner(), text or "")
    if text and not found:
        st.caption("Nothing found.")
    for hit in found:
        st.button(
            markdown.line(hit.title),
            key=f"found_{hit.message_id or hit.conversation_id}",
            icon=":material/keep:" if hit.is_pinned else ":material/chat_bubble:",
            type="tertiary",
            width="stretch",
            wrap=False,
            on_click=_open,
            args=(hit.conversation_id, hit.message_id),
        )
        if hit.message_id:
            st.caption(_marked(hit))


def _marked(hit: Hit) -> str:
    """The place in the message, what was looked for in bold."""
    pieces = (
        (piece, markdown.line(piece.strip()), is_match) for piece, is_match in hit.snippet if piece
    )
    written = ""
    for piece, text, is_match in pieces:
        before = " " if piece[:1].isspace() else ""
        after = " " if piece[-1:].isspace() else ""
        written += before + (f"**{text}**" if is_match and text else text) + after
    return written


def _open(conversation_id: str, message_id: str | None) -> None:
    from pages.parts import listing  # it draws the search in its place

    toggle()
    listing.open_message(conversation_id, message_id)

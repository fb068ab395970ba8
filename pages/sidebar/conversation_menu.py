"""The menu of the conversation in view: rename, pin, share and export."""

from __future__ import annotations

import streamlit as st

from chat import Conversation
from pages.rendering import widget_values
from pages.session import notices, tab_state
from pages.sidebar import export, sharing


def draw(conversation: Conversation) -> None:
    with st.popover("This conversation", key="manage", icon=":material/more_horiz:"):
        key = f"rename_{conversation.id}"
        widget_values.push(key, conversation.title)
        st.text_input(
            "Name",
            key=key,
            max_chars=200,
            on_change=_rename,
            args=(conversation.id, key),
        )
        st.button(
            "Unpin" if conversation.is_pinned else "Pin",
            key="pin",
            icon=":material/keep_off:" if conversation.is_pinned else ":material/keep:",
            on_click=_pin,
            args=(conversation.id, not conversation.is_pinned),
        )
        sharing.draw(conversation)
        export.draw(conversation)


def _rename(conversation_id: str, key: str) -> None:
    title = str(st.session_state[key]).strip()
    if title:
        notices.attempt(tab_state.service().conversations.rename, conversation_id, title)


def _pin(conversation_id: str, is_pinned: bool) -> None:
    notices.attempt(
        lambda: tab_state.service().conversations.pin(conversation_id, is_pinned=is_pinned)
    )

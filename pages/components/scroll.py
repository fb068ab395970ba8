"""Brings into view what was asked for: the end after a send, or a message that was looked for.

Otherwise the reader's place is kept, also while a reply grows. On a narrow screen the sidebar lies
over the page; it goes when something was opened from it, and Streamlit has no call for that.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import streamlit as st

from pages.session import tab_state

_JS = Path(__file__).with_name("scroll.js").read_text("utf-8")

_scroll = st.components.v2.component("parley_scroll", html="<i></i>", js=_JS)


def wish(answer_id: str) -> None:
    """Scroll to the end when `answer_id` is drawn: this tab has just asked for it."""
    tab_state.scroll_to(answer_id)


def wish_end() -> None:
    """Scroll to the end of what is about to be drawn."""
    tab_state.scroll_to(secrets.token_hex(8))


def wish_message(message_id: str) -> None:
    """Scroll to a message that is about to be drawn."""
    st.session_state["scroll_to"] = secrets.token_hex(8)
    st.session_state["scroll_message"] = message_id


def draw() -> None:
    wanted = st.session_state.get("scroll_to", "")
    data = {"to": wanted, "message": st.session_state.get("scroll_message", "")}
    _scroll(key="scroll", data=data, height="content")

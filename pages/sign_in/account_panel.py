"""Account section of the sidebar: the email, signing out, and conversations from before sign-in."""

from __future__ import annotations

import streamlit as st

from pages.markdown import sanitize
from pages.session import notices, process, visitor
from pages.sign_in import gate


def draw() -> None:
    if not visitor.has_sign_in():
        st.empty()
        return
    with st.container(key="account"):
        if notices.quietly(visitor.has_earlier_conversations):
            _draw_offer()
        with st.container(horizontal=True, vertical_alignment="center"):
            person = visitor.person()
            name = sanitize.plain_text(person.email) or "Signed in"
            st.caption(f"{name} · admin" if person.is_admin else name, width="stretch")
            gate.draw_sign_out()


def _draw_offer() -> None:
    st.caption("This browser holds conversations from before you signed in.")
    with st.container(horizontal=True):
        st.button("Move to my account", key="take_along", on_click=_move_to_account)
        st.button(
            "Not now",
            key="leave_behind",
            type="tertiary",
            on_click=visitor.dismiss_earlier_conversations,
        )


def _move_to_account() -> None:
    cookie = visitor.visitor_cookie()
    count = notices.attempt(process.chat_service().access.claim_visitor, visitor.owner(), cookie)
    if count is not None:
        visitor.dismiss_earlier_conversations()
        moved = "1 conversation is" if count == 1 else f"{count:,} conversations are"
        notices.say(f"{moved} now in your account.")

"""In the sidebar: who is signed in, signing out, and what was made before signing in."""

from __future__ import annotations

import streamlit as st

from pages.parts import gate, identity, notices, state
from pages.text import markdown


def draw() -> None:
    if not identity.has_sign_in():
        st.empty()
        return
    with st.container(key="account"):
        if notices.quietly(identity.can_take_along):
            _draw_offer()
        with st.container(horizontal=True, vertical_alignment="center"):
            person = identity.person()
            name = markdown.line(person.email) or "Signed in"
            st.caption(f"{name} · admin" if person.is_admin else name, width="stretch")
            gate.draw_sign_out()


def _draw_offer() -> None:
    st.caption("This browser holds conversations from before you signed in.")
    with st.container(horizontal=True):
        st.button("Take them along", key="take_along", on_click=_take_along)
        st.button(
            "Leave them", key="leave_behind", type="tertiary", on_click=identity.stop_taking_along
        )


def _take_along() -> None:
    cookie = identity.visitor_cookie()
    count = notices.attempt(state.stored().take_along, identity.owner(), cookie)
    if count is not None:
        identity.stop_taking_along()
        moved = "1 conversation is" if count == 1 else f"{count:,} conversations are"
        notices.say(f"{moved} now in your account.")

"""The Stop button of the running reply."""

from __future__ import annotations

import streamlit as st

from pages.session import notices, tab_state, visitor

WATCH_EVERY = 1.0  # seconds


def draw_stop(conversation_id: str) -> None:
    """The button that ends the reply, and the watch that brings a stopped page back to life."""
    with st.container(key="running", horizontal=True, horizontal_alignment="center"):
        st.button(
            "Stop",
            key="stop",
            icon=":material/stop_circle:",
            shortcut="Ctrl+Shift+S",
            on_click=_stop,
            args=(conversation_id,),
        )
        st.session_state["watch_is_new"] = True
        _watch()


def _stop(conversation_id: str) -> None:
    notices.attempt(tab_state.service().stop, visitor.owner(), conversation_id)


@st.fragment(run_every=WATCH_EVERY)
def _watch() -> None:
    """Bring the page back to a reply that runs on although the script that followed it ended.

    The toolbar's own Stop ends that script and not the reply. A fragment waits while a script
    runs, so this does nothing until then.
    """
    if not st.session_state.pop("watch_is_new", False):
        st.rerun()

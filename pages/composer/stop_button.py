"""The Stop button of the running reply."""

from __future__ import annotations

import streamlit as st

from pages.session import notices, tab_state

CHECK_INTERVAL = 1.0  # seconds


def draw(conversation_id: str) -> None:
    """Render the Stop button and a check that reruns the page if its script was stopped."""
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
        _check_abandoned()


def _stop(conversation_id: str) -> None:
    notices.attempt(tab_state.service().messages.stop, conversation_id)


@st.fragment(run_every=CHECK_INTERVAL)
def _check_abandoned() -> None:
    """Rerun the page if the script that followed the reply was stopped.

    Streamlit's own Stop in the toolbar ends the script but not the reply. A fragment does not run
    while a script runs, so this has no effect before.
    """
    if not st.session_state.pop("watch_is_new", False):
        st.rerun()

"""Announce the start and the end of a reply to screen readers, once each."""

from __future__ import annotations

import streamlit as st

from chat import ConversationView, Status
from pages.components import browser_component

_live_region = browser_component.declare("live_region", html="<div></div>")

_OUTCOMES = {
    Status.COMPLETE: "The reply is complete.",
    Status.STOPPED: "The reply was stopped.",
    Status.INTERRUPTED: "The reply was interrupted.",
    Status.FAILED: "The reply failed.",
}


def draw(view: ConversationView | None) -> None:
    """Announce the status of the reply in view, but no outcome that this tab did not wait for."""
    text = ""
    if view is not None and view.running_id:
        st.session_state["watched"] = view.conversation.id
        text = "A reply is being written."
    elif view is not None and st.session_state.get("watched") == view.conversation.id:
        text = _outcome(view)
    _live_region(key="announcer", data={"text": text}, height="content")


def _outcome(view: ConversationView) -> str:
    if view.failed_retry is not None:
        return _OUTCOMES[Status.FAILED]
    return _OUTCOMES.get(view.messages[-1].status, "") if view.messages else ""

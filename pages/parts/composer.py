"""The box at the bottom: what is typed is sent, or put back with a sentence that says why not."""

from __future__ import annotations

import streamlit as st

from chat import ReplyRunning, Submission, View
from pages.parts import live, notices, scroll, state

KEY = "composer"


def draw(view: View | None) -> None:
    if view is None or view.running_id is None:
        notices.forget(ReplyRunning.code)
    with st.bottom:
        notices.draw()
        if view is not None and view.running_id:
            live.draw_stop(view.conversation.id)
        else:
            st.empty()
    # Outside of `st.bottom`: only then does Streamlit keep the newest text in view.
    st.chat_input("Ask anything", key=KEY, on_submit=_submit)


def _submit() -> None:
    send(st.session_state[KEY] or "")


def send(text: str) -> None:
    """Send `text` in the conversation in view, or in a new one."""
    answer = None
    try:
        answer = notices.attempt(
            state.service().send,
            state.owner(),
            state.conversation_id(),
            Submission(text),
            state.draft_settings(),
        )
    finally:
        if answer is None:
            st.session_state[KEY] = text  # whatever went wrong, the words come back
    if answer is not None:
        state.show_conversation(answer.conversation_id)
        scroll.wish(answer.id)

"""What is said about a reply that did not simply end: stopped, interrupted, cut short, failed."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import streamlit as st

from chat import Failure, Message, Role, Status, View
from pages.markdown import sanitize
from pages.session import notices, tab_state, visitor

_NOTES = {
    Status.STOPPED: ("stop_circle", "Stopped"),
    Status.INTERRUPTED: (
        "power_off",
        "Interrupted: Parley ended while this was being written. What was saved is above.",
    ),
}


def draw_in_message(view: View, message: Message) -> None:
    """The note below a reply's text."""
    if message.role is Role.USER:
        return
    if message.status in _NOTES:
        icon, note = _NOTES[message.status]
        if not message.text:
            note = note.replace(" What was saved is above.", "")
        st.caption(f":material/{icon}: {note}")
    elif message.failure is not None:
        draw_failure(message.failure, message.id)
    elif message.finish_reason == "length":
        st.caption(":material/content_cut: Cut at the reply length. Continue lets it go on.")


def draw_failure(failure: Failure, place: str, lead: str = "") -> None:
    """The sentence of an error, a countdown if there is a wait, and its details folded away."""
    with st.container(key=f"failure_{place}", gap="xsmall"):
        st.warning(lead + sanitize.plain_text(failure.sentence), icon=":material/error:")
        if failure.retry_at is not None and failure.retry_at > datetime.now(UTC):
            _count_down(failure.retry_at)
        if failure.details:
            with st.expander("Details", type="compact"):
                st.code(failure.details, language=None, wrap_lines=True)


@st.fragment(run_every=1.0)
def _count_down(until: datetime) -> None:
    # Never less than is left: the page would be drawn again and again with it.
    seconds = math.ceil((until - datetime.now(UTC)).total_seconds())
    if seconds <= 0:
        st.rerun()
    st.caption(f":material/schedule: Retry in {seconds} s")


def draw_clear_mark(conversation_id: str, mark: str) -> None:
    """The line where the context begins afresh, with a way back."""
    with st.container(
        key=f"mark_{mark}",
        horizontal=True,
        horizontal_alignment="center",
        vertical_alignment="center",
    ):
        st.caption("Context cleared: messages above are not sent", width="content")
        st.button(
            "Undo",
            key=f"unclear_{mark}",
            type="tertiary",
            icon=":material/undo:",
            on_click=_unclear,
            args=(conversation_id, mark),
        )


def _unclear(conversation_id: str, mark: str) -> None:
    notices.attempt(tab_state.service().unclear, visitor.owner(), conversation_id, mark)


def draw_below(view: View) -> None:
    """What belongs below the last message."""
    if not view.messages and not view.older:
        st.caption("Every message in this conversation was deleted.")
    if view.mark_at_end:
        draw_clear_mark(view.conversation.id, view.mark_at_end)
    if view.running_id:
        st.caption("A reply is being written in another version of this conversation.")
    elif view.failed_retry and view.failed_retry.failure:
        draw_failure(
            view.failed_retry.failure,
            view.failed_retry.id,
            lead="The new try failed; the earlier version is still here. ",
        )

"""Notes on replies that did not complete normally: stopped, interrupted, cut short or failed."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import streamlit as st

from chat import ConversationView, Failure, Message, Role, Status
from pages.markdown import sanitize
from pages.session import notices, tab_state

_NOTES = {
    Status.STOPPED: ("stop_circle", "Stopped"),
    Status.INTERRUPTED: (
        "power_off",
        "Interrupted: Parley stopped while writing this reply. The saved part is above.",
    ),
}


def draw_note(message: Message) -> None:
    """Render the note below the text of a reply, if there is one."""
    if message.role is Role.USER:
        return
    if message.status in _NOTES:
        icon, note = _NOTES[message.status]
        if not message.text:
            note = note.replace(" The saved part is above.", "")
        st.caption(f":material/{icon}: {note}")
    elif message.failure is not None:
        draw_failure(message.failure, message.id)
    elif message.finish_reason == "length":
        st.caption(
            ":material/content_cut: Stopped at the length limit. Press Continue for the rest."
        )


def draw_failure(failure: Failure, place: str, lead: str = "") -> None:
    """Render an error: its sentence, a countdown until the retry, and collapsed details.

    `place` makes the widget key unique. `lead` precedes the sentence.
    """
    with st.container(key=f"failure_{place}", gap="xsmall"):
        st.warning(lead + sanitize.plain_text(failure.sentence), icon=":material/error:")
        if failure.retry_at is not None and failure.retry_at > datetime.now(UTC):
            _count_down(failure.retry_at)
        if failure.details:
            with st.expander("Details", type="compact"):
                st.code(failure.details, language=None, wrap_lines=True)


@st.fragment(run_every=1.0)
def _count_down(until: datetime) -> None:
    # Rounded up: "0 s" with time remaining would rerun the page in a loop.
    seconds = math.ceil((until - datetime.now(UTC)).total_seconds())
    if seconds <= 0:
        st.rerun()
    st.caption(f":material/schedule: Retry in {seconds} s")


def draw_clear_mark(conversation_id: str, mark: str) -> None:
    """Render the line at which the context was cleared, with an Undo button."""
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
    notices.attempt(tab_state.service().conversations.unclear, conversation_id, mark)


def draw_below(view: ConversationView) -> None:
    """Render the notes below the last message."""
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
            lead="The retry failed. The earlier version is still here. ",
        )

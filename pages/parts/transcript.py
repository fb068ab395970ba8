"""Draws a conversation from the database: the same after a reply, after F5 and in another tab.

Streamlit keeps the elements of the last run until the new one ends, and a run that follows a
reply ends late. So every message stands in a slot of its own with the same places (mark,
message: thinking, text, actions), and slots no longer used are emptied before anyone waits.
"""

from __future__ import annotations

import streamlit as st

from chat import Message, Role, SharedMessage, View
from pages.parts import actions, attachments, live, outcome, state, welcome
from pages.text import blocks, markdown

_AVATARS = {Role.USER: ":material/person:", Role.ASSISTANT: ":material/forum:"}


def draw(view: View) -> None:
    """Draw the window of newest messages, and what is said between and below them."""
    with st.container(key="transcript"):
        if view.older:
            st.button(
                f"Show earlier messages ({view.older})",
                key="show_earlier",
                type="tertiary",
                icon=":material/expand_less:",
                on_click=state.widen_window,
            )
        else:
            st.empty()
        slots = [st.container() for _ in view.messages]
        for _ in range(state.drawn("slots") - len(slots)):
            st.empty()
        state.set_drawn("slots", len(slots))
    if view.live is None:
        with st.container():
            outcome.draw_below(view)
    else:
        st.empty()
    for number, (slot, message) in enumerate(zip(slots, view.messages, strict=True)):
        with slot:
            _draw_mark(view, message)
            _draw_message(view, message, place=f"slot {number}")


def draw_empty() -> None:
    """An empty conversation: the welcome, in the places a transcript would take."""
    with st.container(key="transcript"):
        st.empty()
        with st.container():  # the first slot; a message has its mark where the welcome stands
            welcome.draw()
    st.empty()
    state.set_drawn("slots", 1)


def draw_shared(message: SharedMessage) -> None:
    """A message of a snapshot, with nothing to press."""
    with st.chat_message(message.role.value, avatar=_AVATARS[message.role]):
        for file in message.files:
            st.caption(f":material/attach_file: {markdown.line(file)}")
        for piece in blocks.split(message.text):
            st.markdown(markdown.safe(piece))
        if message.model:
            st.caption(markdown.line(message.model))


def _draw_mark(view: View, message: Message) -> None:
    """Where the model's memory begins, if it is right above this message."""
    left_out = view.context.left_out
    if mark := view.marks.get(message.id):
        outcome.draw_clear_mark(view.conversation.id, mark)
    elif left_out and message.id == view.context.begins_at_id:
        were = "message is" if left_out == 1 else "messages are"
        st.caption(f"{left_out} earlier {were} not sent to the model", text_alignment="center")
    else:
        st.empty()


def _draw_message(view: View, message: Message, place: str) -> None:
    with st.chat_message(message.role.value, avatar=_AVATARS[message.role]):
        if message.is_deleted:
            st.caption(":material/delete: This version was deleted.")
            st.empty()
            with st.container():
                actions.draw_deleted(view, message)
        elif message.id == state.editing() and not view.running_id:
            _draw_first(message)
            actions.draw_editor(message)
            st.empty()
        elif message.is_live:
            live.draw(message, place)
        else:
            _draw_first(message)
            _draw_text(message, place)
            with st.container():
                outcome.draw_in_message(view, message)
                actions.draw(view, message)


def _draw_first(message: Message) -> None:
    """What stands above the text: the files of a question, the thinking of an answer."""
    if message.attachments:
        attachments.draw(message)
        return
    if not message.reasoning:
        st.empty()
        return
    seconds = (message.reasoning_ms or 0) / 1000
    label = f"Thought for {seconds:.0f} s" if seconds >= 1 else "Thought for a moment"
    with st.expander(label, type="compact"):
        st.markdown(markdown.safe(message.reasoning))


def _draw_text(message: Message, place: str) -> None:
    pieces = blocks.split(message.text)
    with st.container():
        for piece in pieces:
            written = markdown.safe(piece)
            st.markdown(markdown.typed(written) if message.role is Role.USER else written)
    state.set_drawn(place, len(pieces))

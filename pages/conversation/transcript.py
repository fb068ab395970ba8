"""Render a conversation from the database: the same after a reply, a refresh and in another tab.

Streamlit keeps the elements of the previous run until the new run ends, and a run that follows a
reply ends late. Therefore each message has a slot with a fixed layout (context mark, then thinking,
text and actions), and unused slots are emptied before the run starts to wait. For the same reason a
run that follows a reply skips the messages that the previous run rendered identically: the new
question and the beginning of its answer appear first.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial

import streamlit as st

from chat import ConversationView, Message, ParleyError, Role, SharedMessage
from pages.components import scroll
from pages.conversation import (
    attachments,
    message_actions,
    message_status,
    segment_cache,
    welcome,
)
from pages.conversation.streaming_reply import StreamingReply
from pages.markdown import sanitize
from pages.rendering import stale_elements
from pages.session import notices, tab_state

_AVATARS = {Role.USER: ":material/person:", Role.ASSISTANT: ":material/forum:"}


def draw(view: ConversationView) -> StreamingReply | None:
    """Render the newest messages and the notes between and below them.

    Returns the running reply in view, which the caller has to follow.
    """
    segment_cache.retain(view.messages)
    with st.container(key="transcript"):
        if view.older:
            st.button(
                f"Show earlier messages ({view.older})",
                key="show_earlier",
                type="tertiary",
                icon=":material/expand_less:",
                on_click=_show_earlier,
                args=(view.messages[0].id if view.messages else None,),
            )
        else:
            st.empty()
        stale_elements.reserve("slots", len(view.messages))
        slots = [st.container() for _ in view.messages]
        stale_elements.clear_below("slots", len(slots))
    if view.live is None:
        failed = view.failed_retry.id if view.failed_retry else None
        content = (view.conversation.id, view.mark_at_end, view.running_id, failed)
        with st.container(), stale_elements.single_slot("below", content):
            message_status.draw_below(view)
    else:
        st.empty()
    rendered = tab_state.drawn_messages() if view.live else ()
    running = None
    for number, (slot, message) in enumerate(zip(slots, view.messages, strict=True)):
        fingerprint = _fingerprint(view, message)
        if fingerprint is not None and rendered[number : number + 1] == (fingerprint,):
            continue
        with slot:
            _draw_context_mark(view, message, place=f"mark {number}")
            running = _draw_message(view, message, place=f"slot {number}")
    return running


def _show_earlier(first_in_view: str | None) -> None:
    tab_state.widen_window()
    if first_in_view is not None:
        scroll.to_message(first_in_view)


def remember_rendered(view: ConversationView | None) -> None:
    """Record which messages this run has rendered, to be called at its end."""
    if view is None:
        tab_state.mark_drawn(None, ())
    else:
        fingerprints = tuple(_fingerprint(view, each) for each in view.messages)
        tab_state.mark_drawn(view.conversation.id, fingerprints)


def _fingerprint(view: ConversationView, message: Message) -> Hashable:
    """Return the values that a finished message's rendering depends on; None to always render."""
    is_plain = not (message.is_live or message.is_deleted or message.failure)
    if not is_plain or message.attachments or message.id == tab_state.editing():
        return None
    is_cut = message.is_cut and message.id == view.messages[-1].id
    mark = view.marks.get(message.id) or (_is_first_sent(view, message) and view.context.left_out)
    return message.id, view.versions[message.id], mark, is_cut


def draw_empty() -> None:
    """Render the welcome screen in the slots of a transcript."""
    segment_cache.clear()
    with st.container(key="transcript"):
        st.empty()
        stale_elements.reserve("slots", 1)
        stale_elements.reserve("mark 0", 1)  # the slot of a context mark
        with st.container():
            welcome.draw()
        stale_elements.clear_below("slots", 1)
    st.empty()


def draw_shared(message: SharedMessage) -> None:
    """Render a message of a shared snapshot, without actions."""
    with st.chat_message(message.role.value, avatar=_AVATARS[message.role]):
        for file in message.files:
            st.caption(f":material/attach_file: {sanitize.plain_text(file)}")
        for segment in sanitize.document(message.text, keeps_lines=message.role is Role.USER):
            st.markdown(segment)
        if message.is_cut:
            st.caption(":material/content_cut: This reply was cut short")
        if message.model:
            st.caption(sanitize.plain_text(tab_state.saved_service().models.label(message.model)))


def _draw_context_mark(view: ConversationView, message: Message, place: str) -> None:
    """Render the line above the first message that is sent to the model."""
    left_out = view.context.left_out
    mark = view.marks.get(message.id)
    if mark is None and not _is_first_sent(view, message):
        stale_elements.leave_empty(place)
        return
    stale_elements.reserve(place, 1)
    if mark is not None:
        message_status.draw_clear_mark(view.conversation.id, mark)
    else:
        were = "message is" if left_out == 1 else "messages are"
        st.caption(f"{left_out} earlier {were} not sent to the model", text_alignment="center")


def _is_first_sent(view: ConversationView, message: Message) -> bool:
    return view.context.left_out > 0 and message.id == view.context.begins_at_id


def _draw_message(view: ConversationView, message: Message, place: str) -> StreamingReply | None:
    with st.chat_message(message.role.value, avatar=_AVATARS[message.role]):
        if message.is_deleted:
            st.caption(":material/delete: This version was deleted.")
            st.empty()
            with stale_elements.single_slot(place, (message.id, view.versions[message.id])):
                message_actions.draw_deleted(view, message)
        elif message.id == tab_state.editing() and not view.running_id:
            _draw_header(message, place)
            message_actions.draw_editor(message)
            st.empty()
        elif message.is_live:
            try:
                return StreamingReply(message, place)
            except ParleyError as error:  # still render the composer
                notices.say(error.sentence)
        else:
            _draw_header(message, place)
            _draw_text(message, place)
            is_cut = message.is_cut and message.id == view.messages[-1].id
            content = (message.id, view.versions[message.id], is_cut, message.status)
            with stale_elements.single_slot(place, content):
                message_status.draw_note(message)
                message_actions.draw(view, message)
    return None


def _draw_header(message: Message, place: str) -> None:
    """Render the files of a question or the thinking of an answer, above the text."""
    place += " first"
    if not (message.attachments or message.reasoning):
        stale_elements.leave_empty(place)
        return
    stale_elements.reserve(place, 1)
    if message.attachments:
        with st.container(), stale_elements.single_slot(place, message.id):
            attachments.draw(message)
    else:
        seconds = (message.reasoning_ms or 0) / 1000
        label = f"Thought for {seconds:.0f} s" if seconds >= 1 else "Thought for a moment"
        with st.expander(label, type="compact"):
            st.markdown(sanitize.markdown(message.reasoning))


def _draw_text(message: Message, place: str) -> None:
    segments = segment_cache.segments(message)
    with st.container():
        stale_elements.fill(place, [partial(st.markdown, segment) for segment in segments])

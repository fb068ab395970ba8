"""Draws a conversation from the database: the same after a reply, after F5 and in another tab.

Streamlit keeps the elements of the last run until the new one ends, and a run that follows a
reply ends late. So every message stands in a slot of its own with the same places (mark,
message: thinking, text, actions), and slots no longer used are emptied before anyone waits.
For the same reason a run that follows a reply need not draw what stands there already: a question
and the beginning of its answer are in view before anything else is drawn again.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache, partial

import streamlit as st

from chat import Message, ParleyError, Role, SharedMessage, View
from pages.components import scroll
from pages.conversation import (
    attachments,
    message_actions,
    message_status,
    streaming_reply,
    welcome,
)
from pages.markdown import block_splitter, sanitize
from pages.rendering import stale_elements
from pages.session import notices, tab_state

_REMEMBERED = 20_000  # characters: longer texts are cut anew each time
_AVATARS = {Role.USER: ":material/person:", Role.ASSISTANT: ":material/forum:"}


def draw(view: View) -> streaming_reply.Running | None:
    """Draw the window of newest messages, and what is said between and below them.

    Returns the running reply in view, which waits to be followed.
    """
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
        stale_elements.at_least("slots", len(view.messages))
        slots = [st.container() for _ in view.messages]
        stale_elements.empty_below("slots", len(slots))
    if view.live is None:
        failed = view.failed_retry.id if view.failed_retry else None
        what = (view.conversation.id, view.mark_at_end, view.running_id, failed)
        with st.container(), stale_elements.only("below", what):
            message_status.draw_below(view)
    else:
        st.empty()
    there = tab_state.kept() if view.live else ()
    running = None
    for number, (slot, message) in enumerate(zip(slots, view.messages, strict=True)):
        looks = _looks(view, message)
        if looks is not None and there[number : number + 1] == (looks,):
            continue
        with slot:
            _draw_mark(view, message, place=f"mark {number}")
            running = _draw_message(view, message, place=f"slot {number}")
    return running


def _show_earlier(first_in_view: str | None) -> None:
    tab_state.widen_window()
    if first_in_view is not None:
        scroll.to_message(first_in_view)


def keep(view: View | None) -> None:
    """Remember what this run has drawn, now that it ends."""
    if view is None:
        tab_state.keep(None, ())
    else:
        tab_state.keep(view.conversation.id, tuple(_looks(view, each) for each in view.messages))


def _looks(view: View, message: Message) -> Hashable:
    """All that the look of a finished message depends on; None if it is to be drawn anew."""
    is_plain = not (message.is_live or message.is_deleted or message.failure)
    if not is_plain or message.attachments or message.id == tab_state.editing():
        return None
    is_cut = message.is_cut and message.id == view.messages[-1].id
    mark = view.marks.get(message.id) or (_is_first_sent(view, message) and view.context.left_out)
    return message.id, view.versions[message.id], mark, is_cut


def draw_empty() -> None:
    """An empty conversation: the welcome, in the places a transcript would take."""
    with st.container(key="transcript"):
        st.empty()
        stale_elements.at_least("slots", 1)
        stale_elements.at_least("mark 0", 1)  # a message has its mark where the welcome stands
        with st.container():
            welcome.draw()
        stale_elements.empty_below("slots", 1)
    st.empty()


def draw_shared(message: SharedMessage) -> None:
    """A message of a snapshot, with nothing to press."""
    with st.chat_message(message.role.value, avatar=_AVATARS[message.role]):
        for file in message.files:
            st.caption(f":material/attach_file: {sanitize.plain_text(file)}")
        for piece in block_splitter.split_blocks(message.text):
            st.markdown(sanitize.markdown(piece))
        if message.is_cut:
            st.caption(":material/content_cut: This reply was cut short")
        if message.model:
            st.caption(sanitize.plain_text(tab_state.stored().model_label(message.model)))


def _draw_mark(view: View, message: Message, place: str) -> None:
    """Where the model's memory begins, if it is right above this message."""
    left_out = view.context.left_out
    mark = view.marks.get(message.id)
    if mark is None and not _is_first_sent(view, message):
        stale_elements.leave_empty(place)
        return
    stale_elements.at_least(place, 1)
    if mark is not None:
        message_status.draw_clear_mark(view.conversation.id, mark)
    else:
        were = "message is" if left_out == 1 else "messages are"
        st.caption(f"{left_out} earlier {were} not sent to the model", text_alignment="center")


def _is_first_sent(view: View, message: Message) -> bool:
    return view.context.left_out > 0 and message.id == view.context.begins_at_id


def _draw_message(view: View, message: Message, place: str) -> streaming_reply.Running | None:
    with st.chat_message(message.role.value, avatar=_AVATARS[message.role]):
        if message.is_deleted:
            st.caption(":material/delete: This version was deleted.")
            st.empty()
            with stale_elements.only(place, (message.id, view.versions[message.id])):
                message_actions.draw_deleted(view, message)
        elif message.id == tab_state.editing() and not view.running_id:
            _draw_first(message, place)
            message_actions.draw_editor(message)
            st.empty()
        elif message.is_live:
            try:
                return streaming_reply.Running(message, place)
            except ParleyError as error:  # the box below stays
                notices.say(error.sentence)
        else:
            _draw_first(message, place)
            _draw_text(message, place)
            is_cut = message.is_cut and message.id == view.messages[-1].id
            row = (message.id, view.versions[message.id], is_cut, message.status)
            with stale_elements.only(place, row):
                message_status.draw_in_message(view, message)
                message_actions.draw(view, message)
    return None


def _draw_first(message: Message, place: str) -> None:
    """What stands above the text: the files of a question, the thinking of an answer."""
    place += " first"
    if not (message.attachments or message.reasoning):
        stale_elements.leave_empty(place)
        return
    stale_elements.at_least(place, 1)
    if message.attachments:
        with st.container(), stale_elements.only(place, message.id):
            attachments.draw(message)
    else:
        seconds = (message.reasoning_ms or 0) / 1000
        label = f"Thought for {seconds:.0f} s" if seconds >= 1 else "Thought for a moment"
        with st.expander(label, type="compact"):
            st.markdown(sanitize.markdown(message.reasoning))


def _draw_text(message: Message, place: str) -> None:
    pieces = _pieces(message)
    with st.container():
        stale_elements.fill(place, [partial(st.markdown, piece) for piece in pieces])


def _pieces(message: Message) -> tuple[str, ...]:
    is_kept = len(message.text) <= _REMEMBERED and not tab_state.is_temporary()
    found = _remembered(message.text) if is_kept else _cut(message.text)
    return tuple(map(sanitize.hard_line_breaks, found)) if message.role is Role.USER else found


def _cut(text: str) -> tuple[str, ...]:
    return tuple(sanitize.markdown(piece) for piece in block_splitter.split_blocks(text))


_remembered = lru_cache(maxsize=500)(_cut)  # texts: a page draws the same ones with every click

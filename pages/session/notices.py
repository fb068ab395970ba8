"""One notice above the composer: what just went wrong, or what can be undone.

It stays until the person does something else.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import streamlit as st

from chat import ParleyError
from pages.markdown import sanitize
from pages.session import request_tracing, tab_state


class Undo(StrEnum):
    """A deletion that a notice offers to undo."""

    MESSAGE = "message"
    CONVERSATION = "conversation"


def attempt(action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call `action` for a click. A `ParleyError` is shown as a notice, and None is returned."""
    dismiss()
    request_tracing.begin_action()
    try:
        return action(*args, **kwargs)
    except ParleyError as error:
        say(error.sentence, error.code)
        return None


def succeeds(action: Callable[..., object], *args: Any) -> bool:
    """Call `action` as `attempt` does; return whether it succeeded."""
    return attempt(lambda: (action(*args), True)) is not None


def quietly(action: Callable[..., Any], *args: Any) -> Any:
    """Call `action`; return None, without a notice, if it raises a `ParleyError`."""
    try:
        return action(*args)
    except ParleyError:
        return None


def caption(error: ParleyError) -> None:
    """Show the error of a part of the page, unless the notice is about the same error."""
    if code() == error.code:
        st.empty()
    else:
        st.caption(error.sentence)


def code() -> str:
    """Return the code of the error in the notice; empty without one."""
    return str(st.session_state.get("notice", {}).get("code", ""))


def say(sentence: str, code: str = "") -> None:
    st.session_state["notice"] = {"text": sentence, "code": code}


def forget(code: str) -> None:
    """Remove the notice if it is about this error, which no longer applies."""
    if st.session_state.get("notice", {}).get("code") == code:
        dismiss()


def offer_undo(sentence: str, undo: Undo, deleted_id: str) -> None:
    """Show a notice with an Undo button; for a conversation, also one that purges it."""
    st.session_state["notice"] = {"text": sentence, "undo": undo, "id": deleted_id}


def dismiss() -> None:
    st.session_state.pop("notice", None)


def _undo(undo: Undo, deleted_id: str) -> None:
    notice = st.session_state.get("notice")
    if not _UNDO[undo](deleted_id):
        sentence = st.session_state["notice"]["text"]
        st.session_state["notice"] = {**(notice or {}), "text": sentence}  # it can be tried again


def _undelete_message(message_id: str) -> bool:
    return succeeds(tab_state.service().messages.undelete, message_id)


def _undelete_conversation(conversation_id: str) -> bool:
    if not succeeds(tab_state.service().conversations.undelete, conversation_id):
        return False
    tab_state.show_conversation(conversation_id)
    return True


_UNDO: dict[Undo, Callable[[str], bool]] = {
    Undo.MESSAGE: _undelete_message,
    Undo.CONVERSATION: _undelete_conversation,
}


def _purge(conversation_id: str) -> None:
    if succeeds(tab_state.service().conversations.purge, conversation_id):
        tab_state.drop_copies()
        say("Deleted for good, with all its messages and files.")


def draw() -> None:
    notice = st.session_state.get("notice")
    if not notice:
        st.empty()
        return
    with st.container(key="notice", border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/info: {sanitize.plain_text(notice['text'])}")
        if "undo" in notice:
            st.button(
                "Undo",
                key="undo",
                icon=":material/undo:",
                type="tertiary",
                on_click=_undo,
                args=(notice["undo"], notice["id"]),
            )
            if notice["undo"] == Undo.CONVERSATION:
                st.button(
                    "Delete for good",
                    key="purge",
                    icon=":material/delete_forever:",
                    type="tertiary",
                    on_click=_purge,
                    args=(notice["id"],),
                )
        else:
            st.button("Dismiss", key="dismiss", type="tertiary", on_click=dismiss)

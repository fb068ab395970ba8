"""One notice above the composer: what just went wrong, or what can be undone.

It stays until the person does something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from chat import ParleyError
from pages.markdown import sanitize
from pages.session import request_tracing, tab_state, visitor


def attempt(action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Do what a click asked for; a `ParleyError` becomes a notice, and None is returned."""
    dismiss()
    request_tracing.begin_action()
    try:
        return action(*args, **kwargs)
    except ParleyError as error:
        say(error.sentence, error.code)
        return None


def succeeds(action: Callable[..., object], *args: Any) -> bool:
    """The same for an action that returns nothing: whether it was done."""
    return attempt(lambda: (action(*args), True)) is not None


def quietly(action: Callable[..., Any], *args: Any) -> Any:
    """The same where there is nothing to be said: None instead of a `ParleyError`."""
    try:
        return action(*args)
    except ParleyError:
        return None


def caption(error: ParleyError) -> None:
    """Say what a part of the page could not do, unless the notice says so already."""
    if code() == error.code:
        st.empty()
    else:
        st.caption(error.sentence)


def code() -> str:
    """The code of the error that the notice is about."""
    return str(st.session_state.get("notice", {}).get("code", ""))


def say(sentence: str, code: str = "") -> None:
    st.session_state["notice"] = {"text": sentence, "code": code}


def forget(code: str) -> None:
    """Take the notice back if it is the one of this error, because its reason is gone."""
    if st.session_state.get("notice", {}).get("code") == code:
        dismiss()


def offer_undo(
    sentence: str, undo: str, message_or_conversation_id: str, *, can_purge: bool = False
) -> None:
    """A notice with a button that calls the service's method `undo` with the id.

    With `can_purge` another one removes the conversation for good.
    """
    st.session_state["notice"] = {
        "text": sentence,
        "undo": undo,
        "id": message_or_conversation_id,
        "can_purge": can_purge,
    }


def dismiss() -> None:
    st.session_state.pop("notice", None)


def _undo(name: str, id_: str) -> None:
    notice = st.session_state.get("notice")
    if not succeeds(getattr(tab_state.service(), name), visitor.owner(), id_):
        sentence = st.session_state["notice"]["text"]
        st.session_state["notice"] = {**(notice or {}), "text": sentence}  # it can be tried again
    elif name == "undelete":
        tab_state.show_conversation(id_)


def _purge(conversation_id: str) -> None:
    if succeeds(tab_state.service().purge, visitor.owner(), conversation_id):
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
            if notice.get("can_purge"):
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

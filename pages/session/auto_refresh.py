"""Rerun an idle page when the conversation in view or the list has changed elsewhere.

Changes come from other tabs and machines and from replies in other conversations. A page that
follows a reply does not need this.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import streamlit as st

from chat import Conversation, ConversationView, NotFound, StoreFailed
from pages.session import notices, tab_state

INTERVAL = 2.0  # seconds; browsers poll less often in a background tab

Snapshot = tuple[Hashable, ...]


def draw(view: ConversationView | None, *, is_current: bool = True) -> None:
    """Start polling. Call it at the end of a page, with the view that was drawn.

    A view that is not current was drawn during an outage of the database. The page is then rerun
    as soon as the database can be read.
    """
    if not is_current:
        st.session_state["look_is_new"] = True
        _poll(None)
        return
    here = None
    if view is not None:
        here = _signature(replace(view.conversation, is_running=bool(view.running)))
    listed = notices.quietly(_listed)
    st.session_state["look_is_new"] = True
    _poll(None if listed is None else (here, *listed))


def forget_outage() -> None:
    """Remove the notice of an outage if this run is the first after it."""
    if st.session_state.pop("outage_ended", False):
        notices.forget(StoreFailed.code)


@st.fragment(run_every=INTERVAL)
def _poll(drawn: Snapshot | None) -> None:
    """Rerun the page if it differs from what was drawn; None if that could not be read."""
    if st.session_state.pop("look_is_new", False) or tab_state.editing() is not None:
        return
    current = notices.quietly(_current)
    if current is not None and current != drawn:
        if drawn is None:
            st.session_state["outage_ended"] = True
        st.rerun()


def _current() -> Snapshot:
    here = None
    if (shown := tab_state.conversation_id()) is not None:
        try:
            here = _signature(tab_state.service().conversations.get(shown))
        except NotFound:  # deleted elsewhere; the rerun shows that
            here = None
    return (here, *_listed())


def _listed() -> Snapshot:
    service = tab_state.saved_service()
    found = [
        *service.conversations.pinned(),
        *service.conversations.latest(tab_state.list_length()),
    ]
    return tuple(map(_signature, found))


def _signature(conversation: Conversation) -> Hashable:
    """Return a value that changes with the conversation, but not with the version in view."""
    return replace(conversation, leaf_id=None)

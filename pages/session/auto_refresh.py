"""Draws an idle page again when something happened elsewhere.

A message sent in another tab or on another machine, a reply that began or ended in another
conversation of the list. A page that follows a reply sees to itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import streamlit as st

from chat import Conversation, ConversationView, NotFound
from pages.session import notices, tab_state

LOOK_EVERY = 2.0  # seconds; browsers look less often in a tab that nobody sees

Seen = tuple[Hashable, ...]


def draw(view: ConversationView | None) -> None:
    """At the end of a page: what it shows is what it looks out from."""
    here = None
    if view is not None:
        here = _signs(replace(view.conversation, is_running=bool(view.running)))
    listed = notices.quietly(_listed)
    if listed is not None:
        st.session_state["look_is_new"] = True
        _look((here, *listed))


@st.fragment(run_every=LOOK_EVERY)
def _look(seen: Seen) -> None:
    if st.session_state.pop("look_is_new", False) or tab_state.editing() is not None:
        return
    now = notices.quietly(_now)
    if now is not None and now != seen:
        st.rerun()


def _now() -> Seen:
    here = None
    if (shown := tab_state.conversation_id()) is not None:
        try:
            here = _signs(tab_state.service().conversations.get(shown))
        except NotFound:  # deleted elsewhere: the page says so when it is drawn again
            here = None
    return (here, *_listed())


def _listed() -> Seen:
    service = tab_state.saved_service()
    found = [
        *service.conversations.pinned(),
        *service.conversations.latest(tab_state.list_length()),
    ]
    return tuple(map(_signs, found))


def _signs(conversation: Conversation) -> Hashable:
    """What tells that it changed. Who looks at other versions changes nothing for others."""
    return replace(conversation, leaf_id=None)

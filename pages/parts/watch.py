"""Draws an idle page again when something happened elsewhere.

A message sent in another tab or on another machine, a reply that began or ended in another
conversation of the list. A page that follows a reply sees to itself.
"""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from chat import Conversation, View
from pages.parts import identity, notices, state

LOOK_EVERY = 2.0  # seconds; browsers look less often in a tab that nobody sees

Seen = tuple[tuple[str, str, datetime, bool] | None, ...]


def draw(view: View | None) -> None:
    """At the end of a page: what it shows is what it looks out from."""
    here = None
    if view is not None:
        found = view.conversation
        here = (found.id, found.title, found.updated_at, bool(view.running))
    listed = notices.quietly(_listed)
    if listed is not None:
        st.session_state["look_is_new"] = True
        _look((here, *listed))


@st.fragment(run_every=LOOK_EVERY)
def _look(seen: Seen) -> None:
    if st.session_state.pop("look_is_new", False) or state.editing() is not None:
        return
    now = notices.quietly(_now)
    if now is not None and now != seen:
        st.rerun()


def _now() -> Seen:
    found = state.conversation_id()
    here = None
    if found is not None:
        here = _signs(state.service().conversation(identity.owner(), found))
    return (here, *_listed())


def _listed() -> Seen:
    service, owner = state.stored(), identity.owner()
    found = [*service.pinned(owner), *service.conversations(owner, state.listed())]
    return tuple(map(_signs, found))


def _signs(conversation: Conversation) -> tuple[str, str, datetime, bool]:
    """What tells that it changed. Who looks at other versions changes nothing for others."""
    return (
        conversation.id,
        conversation.title,
        conversation.updated_at,
        conversation.is_running,
    )

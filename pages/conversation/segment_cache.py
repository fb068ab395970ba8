"""Cache of sanitized message texts for the conversation in view of this tab.

A page renders the same messages in every run. The cache is part of the session state and holds only
the messages in view, so that no text of a purged conversation stays in memory.
"""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from chat import Message, Role
from pages.markdown import sanitize

MAX_LENGTH = 20_000  # characters; longer texts are sanitized in every run
_KEY = "segments"

Entries = dict[str, tuple[str, tuple[str, ...]]]  # text and its segments, by message id


def segments(message: Message) -> tuple[str, ...]:
    """Return the text of a finished message as sanitized Markdown segments."""
    entries: Entries = st.session_state.setdefault(_KEY, {})
    if message.id in entries:
        text, found = entries[message.id]
        if text == message.text:
            return found
    found = sanitize.document(message.text, keeps_lines=message.role is Role.USER)
    if len(message.text) <= MAX_LENGTH:
        entries[message.id] = message.text, found
    return found


def retain(messages: Iterable[Message]) -> None:
    """Drop all entries but those of `messages`."""
    entries: Entries = st.session_state.get(_KEY, {})
    st.session_state[_KEY] = {
        message.id: entries[message.id] for message in messages if message.id in entries
    }


def clear() -> None:
    """Drop all entries, because this tab shows no conversation."""
    st.session_state.pop(_KEY, None)

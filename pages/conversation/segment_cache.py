"""Cache of sanitized message texts for the conversation in view of this tab.

A page renders the same messages in every run. The cache is part of the session state and holds only
the messages in view, so that no text of a purged conversation stays in memory.
"""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from chat import Message, Role
from pages.markdown import block_splitter, sanitize

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
    found = sanitized(message.text)
    if message.role is Role.USER:
        found = tuple(map(sanitize.hard_line_breaks, found))
    if len(message.text) <= MAX_LENGTH:
        entries[message.id] = message.text, found
    return found


def sanitized(text: str) -> tuple[str, ...]:
    """Return `text` as sanitized Markdown segments, without the cache."""
    return tuple(sanitize.markdown(segment) for segment in block_splitter.split_blocks(text))


def retain(messages: Iterable[Message]) -> None:
    """Drop all entries but those of `messages`."""
    entries: Entries = st.session_state.get(_KEY, {})
    st.session_state[_KEY] = {
        message.id: entries[message.id] for message in messages if message.id in entries
    }


def clear() -> None:
    """Drop all entries, because this tab shows no conversation."""
    st.session_state.pop(_KEY, None)

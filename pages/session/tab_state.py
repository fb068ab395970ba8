"""State of this tab in `st.session_state`.

The conversation in view is in the URL; what must survive the tab is in the database.
"""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import replace
from threading import current_thread
from typing import TYPE_CHECKING, Any

import streamlit as st

from chat import (
    ConversationView,
    File,
    Message,
    Model,
    OwnKey,
    ReplySettings,
)
from pages.rendering import stale_elements, widget_values
from pages.session import process, url, visitor
from pages.streamlit_patches import context

if TYPE_CHECKING:
    from chat import OwnerService

WINDOW = 20  # messages drawn at first; up to 7 more to begin with a question
EARLIER = 20  # messages added by "show earlier"
LIST_LENGTH = 8  # conversations listed at first
COMPLETE_RUN = "in_view"  # session state key: what the last run has drawn to the end of the page
EXPORT = "export_made"  # session state key of a prepared download


def service() -> OwnerService:
    """Return the current user's service for the conversation in view, temporary or saved."""
    return process.chat_service().as_owner(visitor.owner(), is_temporary=is_temporary())


def saved_service() -> OwnerService:
    """Return the current user's service for saved conversations."""
    return process.chat_service().as_owner(visitor.owner())


def is_temporary() -> bool:
    """Return whether a temporary conversation is in view. It is in the URL to survive a refresh."""
    return context.is_script_run() and "temporary" in url.in_view()


def conversation_id() -> str | None:
    return url.in_view().get("c")


def show_conversation(conversation: str | None, *, is_temporary: bool | None = None) -> None:
    """Put a conversation in view, or a new one for None; by default of the kind in view."""
    here = url.in_view()
    if conversation != here.get("c"):
        st.session_state.pop("editing", None)
        st.session_state.pop("window", None)
    to: dict[str, str] = {}
    if is_temporary or (is_temporary is None and "temporary" in here):
        to["temporary"] = "1"
    if conversation is not None:
        to["c"] = conversation
    url.go(to)


def remember_view() -> None:
    """Remember what is in view, for the link back from other screens."""
    st.session_state["last_seen"] = url.in_view()


def keep_view(view: ConversationView | None) -> None:
    """Keep what was read from the database, to be drawn again while it cannot be read."""
    st.session_state["kept_view"] = (visitor.owner(), is_temporary(), view)


def kept_view(conversation: str) -> ConversationView | None:
    """Return the view of this conversation that was read last, if the user is the same."""
    owner, kind, view = st.session_state.get("kept_view", ("", False, None))
    if view is None or view.conversation.id != conversation:
        return None
    return view if (owner, kind) == (visitor.owner(), is_temporary()) else None


def last_view() -> dict[str, str]:
    """Return the query parameters that lead back to the conversation."""
    return dict(st.session_state.get("last_seen", {}))


def window() -> int:
    return int(st.session_state.get("window", WINDOW))


def widen_window() -> None:
    st.session_state["window"] = window() + EARLIER


def widen_window_to(position: int) -> None:
    """Draw at least the message at this position from the end, and a few above it."""
    st.session_state["window"] = max(window(), position + 3)


def list_length() -> int:
    return int(st.session_state.get("listed", LIST_LENGTH))


def extend_list() -> None:
    st.session_state["listed"] = list_length() + 30


def editing() -> str | None:
    """Return the id of the message that is being edited in this tab."""
    return st.session_state.get("editing")


def edit(message_id: str | None) -> None:
    st.session_state["editing"] = message_id


def draft_settings() -> ReplySettings:
    """Return the settings for a conversation that does not exist yet."""
    return st.session_state.get("draft_settings", ReplySettings())


def change_draft_settings(**changes: Any) -> None:
    st.session_state["draft_settings"] = replace(draft_settings(), **changes)


def own_key() -> OwnKey | None:
    """Return the user's API key. It is kept in this tab's memory only."""
    return st.session_state.get("own")


def own_models() -> Future[tuple[Model, ...]] | None:
    """Return the models that the user's API key gives access to, once the provider has answered."""
    return st.session_state.get("own_models")


def set_own_key(own: OwnKey | None, models: Future[tuple[Model, ...]] | None = None) -> None:
    st.session_state["own"], st.session_state["own_models"] = own, models


def kept_files() -> list[File]:
    """Return the files of a refused message, to be sent with the next one."""
    return list(st.session_state.get("kept_files", []))


def keep_files(files: list[File]) -> None:
    st.session_state["kept_files"] = list(files)


def choose_encoding(name: str, size: int, encoding: str) -> None:
    """Read the pending text file with a name and a size in another encoding."""
    st.session_state.setdefault("encodings", {})[name, size] = encoding


def in_chosen_encoding(file: File) -> File:
    chosen = st.session_state.get("encodings", {}).get((file.name, len(file.data)), "")
    return replace(file, encoding=chosen) if chosen else file


def drop_copies() -> None:
    """Drop prepared exports and the kept view, which may contain a purged conversation."""
    st.session_state.pop(EXPORT, None)
    st.session_state.pop("kept_view", None)
    saved_service().transfer.discard_export()


def sent() -> dict[str, Any]:
    """Return what was sent and is not in view yet.

    It is one mutable object: a callback can fill it after its run was replaced.
    """
    state: dict[str, Any] = st.session_state.setdefault("sent", {})
    return state


def apply_sent() -> Message | None:
    """Show the conversation of the message that was just sent and clear the composer."""
    state = sent()
    answer: Message | None = state.get("answer")
    if answer is not None:
        if state.get("files"):
            keep_files([])
        st.session_state.pop("draft", None)
        widget_values.cancel("composer")
        show_conversation(answer.conversation_id)
        scroll_to(answer.id)
        state.clear()
    return answer


def scroll_to(answer_id: str) -> None:
    """Scroll to the end when this answer, requested in this tab, is drawn."""
    st.session_state["scroll_to"] = answer_id
    st.session_state.pop("scroll_message", None)


def begin_run() -> None:
    """Start a run: only what the previous run has drawn to its end is known to be in view.

    A run in the same thread follows its predecessor at once. The browser may apply both in one
    step, so the predecessor does not count as seen.
    """
    before = st.session_state.pop(COMPLETE_RUN, None)
    if before is not None and before[-1] is current_thread():
        before = None
    st.session_state["before"] = before
    url.begin_run()
    stale_elements.begin_run(is_complete=before is not None)
    widget_values.begin_run(is_complete=before is not None)
    st.session_state.pop("awaited", None)


def drawn_messages() -> tuple[Hashable, ...]:
    """Return the signatures of the messages that are in view from the previous run."""
    _, signatures, _ = st.session_state.get("before") or (None, (), None)
    return tuple(signatures)


def was_drawn(conversation_id: str) -> bool:
    """Return whether the previous run has drawn this conversation to the end of the page."""
    shown, _, _ = st.session_state.get("before") or (None, (), None)
    return bool(shown == (conversation_id, is_temporary()))


def mark_drawn(conversation_id: str | None, signatures: tuple[Hashable, ...]) -> None:
    """Record that this run has drawn the page to its end, with these messages."""
    shown = (conversation_id, is_temporary())
    st.session_state[COMPLETE_RUN] = (shown, signatures, current_thread())


def checkpoint() -> None:
    """Let Streamlit end a waiting script here, by accessing the session state.

    Reruns the page when an awaited transcript has arrived.
    """
    st.session_state["beat"] = True
    if any(words.done() for words in st.session_state.get("awaited", ())):
        st.rerun()


def await_transcripts(transcripts: list[Future[str]]) -> None:
    """Set the transcripts for which `checkpoint` reruns the page when they arrive."""
    st.session_state["awaited"] = transcripts

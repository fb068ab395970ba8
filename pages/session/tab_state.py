"""What this tab is doing now, and the one service behind all tabs.

The conversation in view is in the URL; what is worth keeping is in the database.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import replace
from threading import current_thread
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from chat import (
    File,
    Message,
    Model,
    OwnKey,
    ReplySettings,
)
from pages.rendering import stale_elements, widget_values
from pages.session import url
from pages.streamlit_patches import secrets_errors

if TYPE_CHECKING:
    from chat import ChatService

WINDOW = 20  # messages drawn at first, and up to 7 more
EARLIER = 20  # what "show earlier" adds
LISTED = 8  # conversations listed at first
EXPORT, EXPORT_OF_ALL = "export_made", "everything"  # keys of prepared downloads
IN_VIEW = "in_view"  # where a run notes that it drew the page to its end, and what

_opened: list[ChatService] = []
_opening = threading.Lock()


@st.cache_resource(show_spinner=False)
def stored() -> ChatService:
    """The chat service of this process. Raises `SettingsError` until the settings are right."""
    from chat import open_chat

    with _opening:
        service = open_chat(secrets_errors.config())
        _opened.append(service)
    return service


def opened() -> list[ChatService]:
    """All that `stored` ever opened, at the start or later by a page: what the end has to close."""
    with _opening:
        return list(_opened)


def service() -> ChatService:
    """The service for what is in view: in a temporary conversation the one that stores nothing."""
    return stored().temporary if is_temporary() else stored()


def is_temporary() -> bool:
    """Whether this tab holds a temporary conversation. In the URL, to survive a refresh."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return False
    return "temporary" in url.in_view()


def conversation_id() -> str | None:
    return url.in_view().get("c")


def show_conversation(conversation: str | None, *, is_temporary: bool | None = None) -> None:
    """Put a conversation in view, None for a new one; of the same kind if nothing is said."""
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


def note_seen() -> None:
    """Remember what is in view, for the way back from other screens."""
    st.session_state["last_seen"] = url.in_view()


def last_seen() -> dict[str, str]:
    """The part of the address that leads back to it."""
    return dict(st.session_state.get("last_seen", {}))


def window() -> int:
    return int(st.session_state.get("window", WINDOW))


def widen_window() -> None:
    st.session_state["window"] = window() + EARLIER


def widen_window_to(place: int) -> None:
    """Draw at least the message at this place from the end, and a few above it."""
    st.session_state["window"] = max(window(), place + 3)


def listed() -> int:
    return int(st.session_state.get("listed", LISTED))


def list_more() -> None:
    st.session_state["listed"] = listed() + 30


def editing() -> str | None:
    """The id of the message being edited in this tab."""
    return st.session_state.get("editing")


def edit(message_id: str | None) -> None:
    st.session_state["editing"] = message_id


def draft_settings() -> ReplySettings:
    """The settings chosen for a conversation that does not exist yet."""
    return st.session_state.get("draft_settings", ReplySettings())


def change_draft_settings(**changes: Any) -> None:
    st.session_state["draft_settings"] = replace(draft_settings(), **changes)


def own_key() -> OwnKey | None:
    """The key that was typed in this tab. It is here and nowhere else, and gone with the tab."""
    return st.session_state.get("own")


def own_models() -> Future[tuple[Model, ...]] | None:
    """What that key opens, once its provider has told."""
    return st.session_state.get("own_models")


def set_own_key(own: OwnKey | None, models: Future[tuple[Model, ...]] | None = None) -> None:
    st.session_state["own"], st.session_state["own_models"] = own, models


def kept_files() -> list[File]:
    """Files that go with the next message of this tab: they came back from one that was refused."""
    return list(st.session_state.get("kept_files", []))


def keep_files(files: list[File]) -> None:
    st.session_state["kept_files"] = list(files)


def drop_downloads() -> None:
    """Drop prepared exports, which may contain a purged conversation."""
    for key in (EXPORT, EXPORT_OF_ALL):
        st.session_state.pop(key, None)


def sent() -> dict[str, Any]:
    """What was sent and is not yet in view; one object, so that it can be filled at any time."""
    found: dict[str, Any] = st.session_state.setdefault("sent", {})
    return found


def take_up() -> Message | None:
    """Show the conversation of what was just sent; its files wait no longer."""
    found = sent()
    answer: Message | None = found.get("answer")
    if answer is not None:
        if found.get("files"):
            keep_files([])
        st.session_state.pop("draft", None)
        widget_values.drop("composer")
        show_conversation(answer.conversation_id)
        scroll_to(answer.id)
        found.clear()
    return answer


def scroll_to(answer_id: str) -> None:
    """Scroll to the end when this answer is drawn: this tab has just asked for it."""
    st.session_state["scroll_to"] = answer_id
    st.session_state.pop("scroll_message", None)


def begin_run() -> None:
    """Only what the run right before this one has drawn, to its end, is still there.

    What follows at once, in the same thread say, the browser can take in one step with it: then
    what was given only in between is never seen.
    """
    before = st.session_state.pop(IN_VIEW, None)
    if before is not None and before[-1] is current_thread():
        before = None
    st.session_state["before"] = before
    url.begin_run()
    stale_elements.begin_run(is_whole=before is not None)
    widget_values.begin_run(is_whole=before is not None)
    st.session_state.pop("awaited", None)  # whoever waits for words says so again


def kept() -> tuple[Hashable, ...]:
    """How each message looks that is there from the last run."""
    _, looks, _ = st.session_state.get("before") or (None, (), None)
    return tuple(looks)


def is_kept(conversation_id: str) -> bool:
    """Whether the last run has drawn this conversation, to its end."""
    shown, _, _ = st.session_state.get("before") or (None, (), None)
    return bool(shown == (conversation_id, is_temporary()))


def keep(conversation_id: str | None, looks: tuple[Hashable, ...]) -> None:
    """The chat was drawn, to its end, with this conversation and these messages."""
    shown = (conversation_id, is_temporary())
    st.session_state[IN_VIEW] = (shown, looks, current_thread())


def beat() -> None:
    """Look at the session state: a point where Streamlit can end a script that waits.

    The page is drawn again when words that somebody waits for have come meanwhile.
    """
    st.session_state["beat"] = True
    if any(words.done() for words in st.session_state.get("awaited", ())):
        st.rerun()


def await_words(words: list[Future[str]]) -> None:
    """What `beat` looks for."""
    st.session_state["awaited"] = words

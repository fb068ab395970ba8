"""Access to the state of st.chat_input that Streamlit does not expose.

Reports the files in the box before they are sent, appends text to the draft, which only the browser
has, takes the draft, turns a long paste into a file, and finds messages that did not arrive.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import streamlit as st

from chat import File
from pages.components import browser_component
from pages.session import tab_state, visitor
from pages.streamlit_patches import context

_ESCAPES = {'"': "%22", "\r": "%0D", "\n": "%0A"}  # in file names, by multipart/form-data
_MAX_COMMANDS = 9  # repeated to the browser, which skips those that it has executed

_bridge = browser_component.declare("chat_input_bridge")


def draw(
    on_draft_taken: Callable[[str, bool], None],
    on_change: Callable[[], None],
    on_unconfirmed: Callable[[str, timedelta], bool],
) -> list[File]:
    """Mount the bridge and return the uploaded files of the box, in the order they were added.

    A change of the files reruns the script, or only the fragment that this is called in, after
    `on_change()`. `on_draft_taken(text, may_truncate)` receives the draft after `take_draft`.
    `on_unconfirmed(text, age)` receives a message that the browser has sent and that was not
    confirmed, because the connection or the process ended; it returns whether it was resolved.
    """

    def receive_draft() -> None:
        if taken := st.session_state["box"].taken:
            on_draft_taken(str(taken["text"]), bool(taken["mayTruncate"]))
            st.session_state["box_was_taken"] = True

    def receive_unconfirmed() -> None:
        if not (sent := st.session_state["box"].unconfirmed):
            return
        is_same = sent["session"] == _session()
        if (is_same and sent["number"] <= st.session_state.get("box_handled", 0)) or on_unconfirmed(
            str(sent["text"]), timedelta(milliseconds=int(sent["age"]))
        ):
            _resolved().append(str(sent["id"]))
        st.session_state["box_was_taken"] = True

    _bridge(
        key="box",
        data={
            "longPaste": tab_state.service().settings.long_paste_characters,
            # Another user of this browser must not see the draft.
            "draftOwner": sha256(visitor.owner().encode()).hexdigest()[:16],
            # A tuple, because Streamlit imports pandas to serialize a list.
            "commands": tuple(st.session_state.get("box_commands", ())),
            "session": _session(),
            "handled": st.session_state.get("box_handled", 0),
            "resolved": tuple(_resolved()),
        },
        default={"files": []},
        on_files_change=on_change,
        on_taken_change=receive_draft,
        on_unconfirmed_change=receive_unconfirmed,
        height="content",
    )
    if st.session_state.pop("box_was_taken", False):
        st.rerun()  # the whole page, not only the fragment
    st.session_state["box_failed"] = failed_uploads()
    names = _names("ready")
    return [file for file in _uploaded() if file.name in names]


def confirm() -> None:
    """Report to the browser that a message has arrived: it was stored, or is back in the box."""
    st.session_state["box_handled"] = st.session_state.get("box_handled", 0) + 1


def _session() -> str:
    """Return an id of this session: messages are counted from zero in the next one."""
    return str(st.session_state.setdefault("box_session", secrets.token_hex(8)))


def _resolved() -> deque[str]:
    """Return the ids of unconfirmed messages that were resolved."""
    found: deque[str] = st.session_state.setdefault("box_resolved", deque(maxlen=_MAX_COMMANDS))
    return found


def original_name(uploaded: str) -> str:
    """Return the name of a file as the browser shows it.

    A multipart form escapes some characters. Until the browser has reported the original name, the
    escapes are reversed, which is ambiguous.
    """
    name_in_form = _without_folders(uploaded)
    for name in _names():
        if _without_folders(_escape(name)) == name_in_form:
            return name
    for character, escape in _ESCAPES.items():
        uploaded = uploaded.replace(escape, character)
    return uploaded


def _escape(name: str) -> str:
    for character, escape in _ESCAPES.items():
        name = name.replace(character, escape)
    return name


def _without_folders(name: str) -> str:
    return name.rpartition("\\")[2]  # the server may drop what precedes a backslash


def failed_uploads() -> list[str]:
    """Return the names of files that the browser could not upload, such as too large ones."""
    return _names("failed")


def failed_uploads_at_submit() -> list[str]:
    """Return the failed uploads of a message that was just submitted.

    The browser may already have reported the empty box.
    """
    return failed_uploads() or list(st.session_state.get("box_failed", []))


def is_empty() -> bool:
    """Return whether the box holds no file."""
    return not _names()


def _names(state: str = "") -> list[str]:
    known = st.session_state.get("box")
    entries = (entry.partition(":") for entry in (known.files if known is not None else []))
    return [name for each, _, name in entries if state in ("", each)]


def append(text: str, *, instead_of: str = "") -> None:
    """Append `text` to the draft and remove the file with the name `instead_of` from the box."""
    _send_command(append=text, remove=instead_of)


def take_draft(*, may_truncate: bool) -> None:
    """Empty the box and pass its text to the `on_draft_taken` callback."""
    _send_command(take="truncate" if may_truncate else "all")


def _send_command(**command: str) -> None:
    commands: deque[dict[str, str]] = st.session_state.setdefault(
        "box_commands", deque(maxlen=_MAX_COMMANDS)
    )
    commands.append({"id": secrets.token_hex(8), **command})


def _uploaded() -> list[File]:
    """Return the files that this tab has uploaded and not sent yet."""
    return [File(original_name(name), data) for name, data in context.uploaded_files()]

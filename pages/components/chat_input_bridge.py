"""The composer's box, from the outside: what Streamlit's widget cannot tell or be told.

Which files it holds before they are sent; to append to a draft that only the browser knows; to
make a file of a very long paste.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from chat import File
from pages.session import tab_state, visitor

_ESCAPES = {'"': "%22", "\r": "%0D", "\n": "%0A"}  # of a name in multipart/form-data
_JS = Path(__file__).with_name("chat_input_bridge.js").read_text("utf-8")

_box = st.components.v2.component("parley_box", html="<i></i>", js=_JS)


def draw(on_taken: Callable[[str, bool], None], on_change: Callable[[], None]) -> list[File]:
    """The files that wait in the box, in the order they were added; draws again when they change.

    In a fragment, only that is drawn again. `on_taken(text, may_cut)` is called with the draft
    after `take`, `on_change` when the files have changed.
    """

    def hand_over() -> None:
        if taken := st.session_state["box"].taken:
            on_taken(str(taken["text"]), bool(taken["mayCut"]))
            st.session_state["box_was_taken"] = True

    _box(
        key="box",
        data={
            "longPaste": tab_state.service().settings.long_paste_characters,
            "whose": sha256(visitor.owner().encode()).hexdigest()[:16],  # a draft is theirs alone
            "commands": tuple(st.session_state.get("box_commands", ())),  # a list imports pandas
        },
        default={"files": []},
        on_files_change=on_change,
        on_taken_change=hand_over,
        height="content",
    )
    if st.session_state.pop("box_was_taken", False):
        st.rerun()  # all of the page, not only the fragment
    st.session_state["box_failed"] = failed()
    names = _names("ready")
    return [file for file in _uploaded() if file.name in names]


def named(uploaded: str) -> str:
    """What a file is called that came as `uploaded`: a form cannot carry every name.

    The browser tells the real one; where it has not yet, what it would have escaped is taken back.
    """
    of_form = _without_folders(uploaded)
    for name in _names():
        if _without_folders(_in_a_form(name)) == of_form:
            return name
    for character, escape in _ESCAPES.items():
        uploaded = uploaded.replace(escape, character)
    return uploaded


def _in_a_form(name: str) -> str:
    for character, escape in _ESCAPES.items():
        name = name.replace(character, escape)
    return name


def _without_folders(name: str) -> str:
    return name.rpartition("\\")[2]  # what is before it, the server may have dropped


def failed() -> list[str]:
    """Names of files in the box that the browser could not upload, such as too large ones."""
    return _names("failed")


def failed_when_sent() -> list[str]:
    """The same of a message that is just sent: the box may have told already that it is empty."""
    return failed() or list(st.session_state.get("box_failed", []))


def is_empty() -> bool:
    return not _names()


def _names(wanted: str = "") -> list[str]:
    known = st.session_state.get("box")
    entries = (entry.partition(":") for entry in (known.files if known is not None else []))
    return [name for kind, _, name in entries if wanted in ("", kind)]


def append(text: str, *, instead_of: str = "") -> None:
    """Add `text` to the draft, and take the file `instead_of` out of the box."""
    _command(append=text, remove=instead_of)


def take(*, may_cut: bool) -> None:
    """Take the draft out of the box, to send it with the files that wait above it."""
    _command(take="cut" if may_cut else "all")


def _command(**wishes: str) -> None:
    commands: deque[dict[str, str]] = st.session_state.setdefault("box_commands", deque(maxlen=9))
    commands.append({"id": secrets.token_hex(8), **wishes})


def _uploaded() -> list[File]:
    """What this tab has uploaded and not sent yet. Streamlit keeps it in memory by session."""
    context = get_script_run_ctx()
    if context is None:
        return []
    by_session = getattr(context.uploaded_file_mgr, "file_storage", {})
    waiting = by_session.get(context.session_id, {})
    return [File(named(record.name), record.data) for record in list(waiting.values())]

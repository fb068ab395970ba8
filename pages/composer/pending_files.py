"""The pending files above the composer, with their token cost and problems.

Files in the box belong to Streamlit's widget, which displays and removes them. Files of a message
that was refused are kept in `tab_state`, to be sent with the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from chat import (
    FILE_CODES,
    TEXT_ENCODINGS,
    File,
    FileCost,
    FileKind,
    FileTooLong,
    NotUploaded,
    encoding_label,
    human_size,
)
from pages.components import chat_input_bridge
from pages.markdown import sanitize
from pages.rendering import draw_turns, stale_elements
from pages.session import notices, tab_state

_ICONS = {FileKind.IMAGE: "image", FileKind.TABLE: "table", FileKind.DOCUMENT: "description"}
_PASTE_PREFIX = "Pasted text"
_MAX_VISIBLE = 4  # files; more scroll
Send = Callable[[str, bool], None]  # send(text, may_truncate)
Resolve = Callable[[str, timedelta], bool]  # resolve(text, age) of a message that may be lost


def draw(send: Send, resolve: Resolve, *, is_busy: bool) -> None:
    """Render the pending files.

    They are a fragment, except while a reply is followed: fragments do not run then, so a change
    reruns the page.
    """
    if is_busy:
        _draw(send, resolve, is_busy=True)
    else:
        _draw_fragment(send, resolve)


@st.fragment
def _draw_fragment(send: Send, resolve: Resolve) -> None:
    if st.session_state.pop("notice_is_gone", False):
        st.rerun()  # the whole page, not only the fragment
    _draw(send, resolve, is_busy=False)


def _draw(send: Send, resolve: Resolve, *, is_busy: bool) -> None:
    kept = tab_state.kept_files()
    waiting = chat_input_bridge.draw(send, _on_files_change, resolve)
    files = [tab_state.in_chosen_encoding(file) for file in (*kept, *waiting)]
    # The same slots in every run, so that a removed file disappears before the run ends.
    with st.container(key="tray", gap="xsmall"):
        costs = (*_costs(files, st.empty()), *_not_uploaded())
        if not costs:
            st.empty()
            st.empty()
            st.empty()
            return
        height: Any = 150 if len(costs) > _MAX_VISIBLE else "content"  # pixels
        content = (height, len(kept), *(cost.name for cost in costs))
        with (
            st.container(),
            stale_elements.single_slot("tray", content),
            st.container(height=height, border=False, gap="xsmall"),
        ):
            for number, cost in enumerate(costs):
                file = files[number] if number < len(files) else None
                _draw_file(number, cost, file, is_kept=number < len(kept))
        _draw_sum(costs)
        if kept:
            _draw_send(costs, is_busy=is_busy or bool(waiting))
        else:
            st.empty()


def _on_files_change() -> None:
    """Dismiss the notice about a file, unless the box was emptied by a submit.

    The browser reports the empty box with a delay, when the notice may already be about that
    submit.
    """
    if not (st.session_state.pop("box_was_sent", False) and chat_input_bridge.is_empty()):
        _dismiss_file_notice()


def _dismiss_file_notice() -> None:
    if notices.code() in FILE_CODES:
        notices.dismiss()
        st.session_state["notice_is_gone"] = True


def _costs(files: list[File], slot: DeltaGenerator) -> tuple[FileCost, ...]:
    """Return the cost of each file. `slot` shows that the files of others are read first.

    Streamlit ends the run there, and with it the wait, if it is out of date or its tab is closed.
    """
    if not files:
        return ()
    draw_turns.end()  # reading large files is slow
    service = tab_state.service()
    found = notices.quietly(
        service.attachments.price,
        tab_state.conversation_id(),
        files,
        tab_state.draft_settings(),
        lambda: slot.caption("Waiting: other files are being read first."),
    )
    slot.empty()
    return found or tuple(FileCost(file.name, len(file.data)) for file in files)


def _not_uploaded() -> list[FileCost]:
    limit = f"{tab_state.service().settings.max_file_mb:g} MB"
    return [
        FileCost(name, 0, problem=NotUploaded(name, limit=limit).sentence)
        for name in chat_input_bridge.failed_uploads()
    ]


def _draw_file(number: int, cost: FileCost, file: File | None, *, is_kept: bool) -> None:
    with st.container(
        key=f"file_waiting_{number}", horizontal=True, vertical_alignment="center", gap="small"
    ):
        _draw_cost(cost)
        if file is not None and cost.encoding:
            _draw_encoding(number, cost, file)
        if is_kept:
            _button("Remove", "close", f"remove_file_{number}", _remove, number)
        elif file is not None and file.name.startswith(_PASTE_PREFIX):
            _button("Insert as text", "undo", f"unpaste_{number}", _insert_as_text, file)


def _draw_cost(cost: FileCost) -> None:
    name = f"**{sanitize.plain_text(cost.name)}**"
    problem = cost.problem
    if cost.is_audio:
        problem = tab_state.service().speech.problem
    if problem:
        prefix = "" if cost.name in problem else f"{name} · "
        st.markdown(f":small[:material/error: {prefix}:orange[{sanitize.plain_text(problem)}]]")
        return
    if cost.is_audio:
        st.markdown(f":small[:material/mic: {name} · will be transcribed into the box]")
        return
    about = "" if cost.is_exact else "≈ "
    # Isolated, so that right-to-left words do not reorder what follows.
    excerpt = f"“\u2068{sanitize.plain_text(cost.excerpt)}\u2069”" if cost.excerpt else ""
    tokens = f"{about}{cost.tokens:,} tokens"
    facts = [name, human_size(cost.size), cost.details, excerpt, tokens]
    icon = _ICONS.get(cost.kind, "draft") if cost.kind else "draft"
    text = " · ".join(filter(None, facts))
    if cost.is_too_long:
        rest = "" if cost.kind is FileKind.IMAGE else ": its beginning can be sent"
        text += f" · :orange[too long for the model{rest}]"
    st.markdown(f":small[:material/{icon}: {text}]")


def _draw_encoding(number: int, cost: FileCost, file: File) -> None:
    """Render the guessed encoding of a text, so that the user can correct it."""
    key = f"encoding_{number}_{len(file.data)}"
    st.selectbox(
        f"Encoding of {sanitize.plain_text(cost.name)}",
        list(TEXT_ENCODINGS),
        index=list(TEXT_ENCODINGS).index(cost.encoding),
        format_func=encoding_label,
        key=key,
        label_visibility="collapsed",
        width=240,  # pixels
        on_change=_choose_encoding,
        args=(key, file.name, len(file.data)),
    )


def _choose_encoding(key: str, name: str, size: int) -> None:
    tab_state.choose_encoding(name, size, st.session_state[key])


def _draw_sum(costs: tuple[FileCost, ...]) -> None:
    most = tab_state.service().settings.max_files
    notes = []
    if len(costs) > 1:
        total = sum(cost.tokens for cost in costs if not cost.problem)
        notes.append(f"Together ≈ {total:,} tokens")
    if len(costs) > most:
        notes.append(f":orange[{len(costs)} files: a message can have at most {most}]")
    if any(cost.kind for cost in costs) and _is_guide():
        notes.append("Guide does not read files: choose a model in the sidebar")
    if notes:
        st.caption(" · ".join(notes))
    else:
        st.empty()


def _is_guide() -> bool:
    view_settings = tab_state.draft_settings()
    conversation = tab_state.conversation_id()
    if conversation is not None:
        found = notices.quietly(tab_state.service().conversations.settings, conversation)
        view_settings = found or view_settings
    model = notices.quietly(tab_state.service().models.get, view_settings.model)
    return model is not None and model.provider == "guide"


def _draw_send(costs: tuple[FileCost, ...], *, is_busy: bool) -> None:
    """Render a button that sends the kept files with the draft.

    The box itself does not submit without text or files of its own; with files, its own button
    sends all.
    """
    can_truncate = any(cost.is_too_long and cost.kind is not FileKind.IMAGE for cost in costs)
    may_truncate = can_truncate or notices.code() == FileTooLong.code
    with st.container(horizontal=True):
        st.button(
            "Send its beginning" if may_truncate else "Send",
            key="send_beginning" if may_truncate else "send_files",
            icon=":material/content_cut:" if may_truncate else ":material/send:",
            disabled=is_busy,
            on_click=chat_input_bridge.take_draft,
            kwargs={"may_truncate": may_truncate},
        )


def _button(label: str, icon: str, key: str, action: object, value: object) -> None:
    st.button(
        f":small[{label}]",
        key=key,
        icon=f":material/{icon}:",
        type="tertiary",
        on_click=action,  # type: ignore[arg-type]
        args=(value,),
    )


def _remove(number: int) -> None:
    files = tab_state.kept_files()
    tab_state.keep_files([*files[:number], *files[number + 1 :]])
    _dismiss_file_notice()


def _insert_as_text(file: File) -> None:
    chat_input_bridge.append(file.data.decode("utf-8", "replace"), instead_of=file.name)

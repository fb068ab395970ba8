"""Above the composer: the files that will go with the message, what each costs, what is wrong.

Files in the box belong to Streamlit's own widget, which shows and removes them. Files that came
back from a message that could not be sent are kept here, to be sent with the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from chat import FILE_CODES, File, FileCost, FileKind, FileTooLong, NotUploaded, human_size
from pages.components import chat_input_bridge
from pages.markdown import sanitize
from pages.rendering import draw_turns, stale_elements
from pages.session import notices, tab_state, visitor

_ICONS = {FileKind.IMAGE: "image", FileKind.TABLE: "table", FileKind.DOCUMENT: "description"}
_PASTED = "Pasted text"
_SHOWN = 4  # lines before they scroll
Send = Callable[[str, bool], None]


def draw(send: Send, *, is_busy: bool) -> None:
    """`send(text, may_truncate)` sends a draft with the files that are kept here.

    A fragment waits while a reply is followed; then the page itself draws again at every change.
    """
    if is_busy:
        _draw(send, is_busy=True)
    else:
        _draw_alone(send)


@st.fragment
def _draw_alone(send: Send) -> None:
    if st.session_state.pop("notice_is_gone", False):
        st.rerun()  # all of the page, not only the fragment
    _draw(send, is_busy=False)


def _draw(send: Send, *, is_busy: bool) -> None:
    kept, waiting = tab_state.kept_files(), chat_input_bridge.draw(send, _changed)
    files = [*kept, *waiting]
    prices = (*_prices(files), *_not_uploaded())
    # The same places in every run: what is no longer there is gone at once, not at the run's end.
    with st.container(key="tray", gap="xsmall"):
        if not prices:
            st.empty()
            st.empty()
            st.empty()
            return
        many: Any = 150 if len(prices) > _SHOWN else "content"  # pixels
        what = (many, len(kept), *(price.name for price in prices))
        with (
            st.container(),
            stale_elements.single_slot("tray", what),
            st.container(height=many, border=False, gap="xsmall"),
        ):
            for number, price in enumerate(prices):
                file = files[number] if number < len(files) else None
                _draw_file(number, price, file, is_kept=number < len(kept))
        _draw_sum(prices)
        if kept:
            _draw_send(prices, is_busy=is_busy or bool(waiting))
        else:
            st.empty()


def _changed() -> None:
    """What was said of the files may be true no longer, unless they left the box to be sent.

    The box tells of that a moment later, when it may be said already why they were not.
    """
    if not (st.session_state.pop("box_was_sent", False) and chat_input_bridge.is_empty()):
        _unsay()


def _unsay() -> None:
    if notices.code() in FILE_CODES:
        notices.dismiss()
        st.session_state["notice_is_gone"] = True


def _prices(files: list[File]) -> tuple[FileCost, ...]:
    if not files:
        return ()
    draw_turns.end()  # large files take a while to read
    service, owner = tab_state.service(), visitor.owner()
    found = notices.quietly(
        service.price, owner, tab_state.conversation_id(), files, tab_state.draft_settings()
    )
    return found or tuple(FileCost(file.name, len(file.data)) for file in files)


def _not_uploaded() -> list[FileCost]:
    limit = f"{tab_state.service().settings.max_file_mb:g} MB"
    return [
        FileCost(name, 0, problem=NotUploaded(name, limit=limit).sentence)
        for name in chat_input_bridge.failed_uploads()
    ]


def _draw_file(number: int, price: FileCost, file: File | None, *, is_kept: bool) -> None:
    with st.container(
        key=f"file_waiting_{number}", horizontal=True, vertical_alignment="center", gap="small"
    ):
        _draw_price(price)
        if is_kept:
            _button("Remove", "close", f"remove_file_{number}", _remove, number)
        elif file is not None and file.name.startswith(_PASTED):
            _button("Insert as text", "undo", f"unpaste_{number}", _unpaste, file)


def _draw_price(price: FileCost) -> None:
    name = f"**{sanitize.plain_text(price.name)}**"
    problem = price.problem
    if price.is_audio:
        problem = tab_state.service().voice_problem
    if problem:
        named = "" if price.name in problem else f"{name} · "
        st.markdown(f":small[:material/error: {named}:orange[{sanitize.plain_text(problem)}]]")
        return
    if price.is_audio:
        st.markdown(f":small[:material/mic: {name} · will be turned into text for the box]")
        return
    about = "" if price.is_exact else "≈ "
    facts = [name, human_size(price.size), price.details, f"{about}{price.tokens:,} tokens"]
    icon = _ICONS.get(price.kind, "draft") if price.kind else "draft"
    text = " · ".join(filter(None, facts))
    if price.is_too_long:
        rest = "" if price.kind is FileKind.IMAGE else ": its beginning can be sent"
        text += f" · :orange[more than fits{rest}]"
    st.markdown(f":small[:material/{icon}: {text}]")


def _draw_sum(prices: tuple[FileCost, ...]) -> None:
    most = tab_state.service().settings.max_files
    said = []
    if len(prices) > 1:
        total = sum(price.tokens for price in prices if not price.problem)
        said.append(f"Together ≈ {total:,} tokens")
    if len(prices) > most:
        said.append(f":orange[{len(prices)} files: at most {most} can go with one message]")
    if any(price.kind for price in prices) and _is_guide():
        said.append("Guide reads no files: choose a model in the sidebar")
    if said:
        st.caption(" · ".join(said))
    else:
        st.empty()


def _is_guide() -> bool:
    view_settings = tab_state.draft_settings()
    conversation = tab_state.conversation_id()
    if conversation is not None:
        found = notices.quietly(tab_state.service().settings_of, visitor.owner(), conversation)
        view_settings = found or view_settings
    model = notices.quietly(tab_state.service().model, view_settings.model)
    return model is not None and model.provider == "guide"


def _draw_send(prices: tuple[FileCost, ...], *, is_busy: bool) -> None:
    """The box sends nothing while it is empty, and files that came back are not in it.

    With files in the box its own arrow sends them all.
    """
    can_cut = any(price.is_too_long and price.kind is not FileKind.IMAGE for price in prices)
    may_truncate = can_cut or notices.code() == FileTooLong.code
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
    _unsay()


def _unpaste(file: File) -> None:
    chat_input_bridge.append(file.data.decode("utf-8", "replace"), instead_of=file.name)

"""Above the composer: the files that will go with the message, what each costs, what is wrong.

Files in the box belong to Streamlit's own widget, which shows and removes them. Files that came
back from a message that could not be sent are kept here, to be sent with the next one.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from chat import File, FileKind, FilePrice, FileTooLong, human_size
from pages.parts import box, notices, state
from pages.text import markdown

_ICONS = {FileKind.IMAGE: "image", FileKind.TABLE: "table", FileKind.DOCUMENT: "description"}
_PASTED = "Pasted text"


@st.fragment
def draw(send: Callable[[str, bool], None]) -> None:
    """`send(text, may_cut)` sends a draft with the files that are kept here."""
    kept, waiting = state.kept_files(), box.draw(send)
    with st.container(key="tray", gap="xsmall"):
        prices = _prices([*kept, *waiting])
        for number, (file, price) in enumerate(zip([*kept, *waiting], prices, strict=True)):
            with st.container(
                key=f"file_waiting_{number}",
                horizontal=True,
                vertical_alignment="center",
                gap="small",
            ):
                _draw_price(price)
                if number < len(kept):
                    _button("Remove", "close", f"remove_file_{number}", _remove, number)
                elif file.name.startswith(_PASTED):
                    _button("Insert as text", "undo", f"unpaste_{number}", _unpaste, file)
        _draw_sum(prices)
        if kept:
            _draw_send(prices)


def _prices(files: list[File]) -> tuple[FilePrice, ...]:
    if not files:
        return ()
    service, owner = state.service(), state.owner()
    found = notices.quietly(
        service.price, owner, state.conversation_id(), files, state.draft_settings()
    )
    return found or tuple(FilePrice(file.name, len(file.data)) for file in files)


def _draw_price(price: FilePrice) -> None:
    name = f"**{markdown.line(price.name)}**"
    if price.problem:
        named = "" if price.name in price.problem else f"{name} · "
        st.markdown(f":small[:material/error: {named}:orange[{markdown.line(price.problem)}]]")
        return
    if price.is_audio:
        st.markdown(f":small[:material/mic: {name} · will be turned into text for the box]")
        return
    about = "" if price.is_exact else "≈ "
    facts = [name, human_size(price.size), price.details, f"{about}{price.tokens:,} tokens"]
    icon = _ICONS.get(price.kind, "draft") if price.kind else "draft"
    text = " · ".join(filter(None, facts))
    if price.is_too_long:
        text += " · :orange[more than fits: its beginning can be sent]"
    st.markdown(f":small[:material/{icon}: {text}]")


def _draw_sum(prices: tuple[FilePrice, ...]) -> None:
    if len(prices) > 1:
        total = sum(price.tokens for price in prices)
        st.caption(f"Together ≈ {total:,} tokens")


def _draw_send(prices: tuple[FilePrice, ...]) -> None:
    """The box sends nothing while it is empty, and files that came back are not in it."""
    is_too_long = any(price.is_too_long for price in prices)
    with st.container(horizontal=True):
        if is_too_long or notices.code() == FileTooLong.code:
            st.button(
                "Send its beginning",
                key="send_beginning",
                icon=":material/content_cut:",
                on_click=box.take,
                kwargs={"may_cut": True},
            )
        else:
            st.button(
                "Send",
                key="send_files",
                icon=":material/send:",
                on_click=box.take,
                kwargs={"may_cut": False},
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
    files = state.kept_files()
    state.keep_files([*files[:number], *files[number + 1 :]])


def _unpaste(file: File) -> None:
    box.append(file.data.decode("utf-8", "replace"), instead_of=file.name)

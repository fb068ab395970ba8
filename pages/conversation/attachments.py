"""The files of a message: pictures to see, tables to look into, documents to take back."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import streamlit as st

from chat import Attachment, FileKind, Message, human_size
from pages.markdown import sanitize
from pages.session import notices, tab_state, visitor

_SHEETS = 10  # shown at most
_WIDEST = 1568  # pixels; no picture that is kept is wider, and the page's style decides
_FORMS = {"image/png": "PNG", "image/jpeg": "JPEG"}
_NUMBER = r"-?(?:0|[1-9]\d{0,14})(?:\.\d{0,14}[1-9])?"
_ICONS = {FileKind.TABLE: ":material/table:", FileKind.DOCUMENT: ":material/description:"}


def draw(message: Message) -> None:
    with st.container(key=f"files_{message.id}", gap="small"):
        for file in message.attachments:
            if file.kind is FileKind.IMAGE:
                _draw_picture(file)
            else:
                _draw_document(file)


def _draw_picture(file: Attachment) -> None:
    data = notices.quietly(tab_state.service().file, visitor.owner(), file.id)
    if data is None or not _draw_image(data, file):
        st.caption(f":material/broken_image: {sanitize.plain_text(file.name)} cannot be shown")
        return
    st.caption(_facts(file))


def _draw_image(data: bytes, file: Attachment) -> bool:
    """As it is: for a width or a form of its own choice Streamlit would decode it, in every run."""
    form: Any = _FORMS.get(file.media_type)
    try:
        st.image(data, alt=file.name, width=_WIDEST, output_format=form or "auto")
    except Exception:  # bytes that a damaged database gives back can break anything
        return False
    return True


def _draw_document(file: Attachment) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            sanitize.plain_text(file.name),
            data=partial(tab_state.service().file, visitor.owner(), file.id),
            file_name=file.name,
            mime="application/octet-stream",  # handed back as it came, opened by nobody
            key=f"file_{file.id}",
            icon=_ICONS[file.kind],
            on_click="ignore",
        )
        st.caption(_facts(file), width="content")
    if file.preview_sha256:
        _draw_table(file)


def _draw_table(file: Attachment) -> None:
    preview = notices.quietly(tab_state.service().preview, visitor.owner(), file.id)
    sheets = json.loads(preview)["sheets"] if preview else []
    if len(sheets) == 1:
        _draw_sheet(sheets[0], file)
    elif sheets:
        if len(sheets) > _SHEETS:
            st.caption(f"The first {_SHEETS} sheets:")
            sheets = sheets[:_SHEETS]
        for tab, sheet in zip(st.tabs([_name(each) for each in sheets]), sheets, strict=True):
            with tab:
                _draw_sheet(sheet, file)


def _name(sheet: dict[str, object]) -> str:
    return sanitize.plain_text(str(sheet["name"])) or "Sheet"


def _draw_sheet(sheet: dict[str, list[list[object]]], file: Attachment) -> None:
    import pandas

    rows = min(len(sheet["rows"]), 6)
    # Named by place: a table may well have two columns of one name.
    columns = [str(name) for name in sheet["columns"]]
    frame = pandas.DataFrame(sheet["rows"], dtype=object)
    frame.columns = _distinct(columns, frame.shape[1])
    st.dataframe(
        frame.apply(_sortable),
        height=38 + 35 * max(1, rows),
        hide_index=True,
        alt=f"First rows of {file.name}",
    )


def _sortable(column: Any) -> Any:
    """Numbers as numbers, so that they sort, if they look the same then; all else as text.

    Not codes such as 007 or +49, nor 1.10 and 12E5, nor more digits than a number keeps.
    """
    import pandas

    texts = column.map(lambda value: "" if value is None else str(value))
    filled = texts[texts.ne("")]
    if filled.empty or not filled.str.fullmatch(_NUMBER).all():
        return texts
    return pandas.to_numeric(texts, errors="coerce")


def _distinct(names: list[str], count: int) -> list[str]:
    found: list[str] = []
    for number in range(count):
        name = names[number] if number < len(names) else ""
        name = name or f"Column {number + 1}"
        while name in found:
            name += " "
        found.append(name)
    return found


def _facts(file: Attachment) -> str:
    about = "" if file.is_exact else "≈ "
    facts = [
        human_size(file.size),
        sanitize.plain_text(file.details),
        f"{about}{file.tokens:,} tokens",
    ]
    if file.kind is FileKind.IMAGE:
        facts.insert(0, sanitize.plain_text(file.name))
    if file.is_partial:
        facts.append("only the beginning is sent")
    return " · ".join(filter(None, facts))

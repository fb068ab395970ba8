"""Render the attachments of a message: images, table previews and downloads."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import streamlit as st

from chat import Attachment, FileKind, Message, human_size
from pages.markdown import sanitize
from pages.session import notices, tab_state

_MAX_SHEETS = 10
_MAX_WIDTH = 1568  # pixels, as of stored images; the style sheet sets the actual width
_OUTPUT_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
_NUMBER = r"-?(?:0|[1-9]\d{0,14})(?:\.\d{0,14}[1-9])?"
_ICONS = {FileKind.TABLE: ":material/table:", FileKind.DOCUMENT: ":material/description:"}


def draw(message: Message) -> None:
    with st.container(key=f"files_{message.id}", gap="small"):
        for file in message.attachments:
            if file.kind is FileKind.IMAGE:
                _draw_image(file)
            else:
                _draw_document(file)


def _draw_image(file: Attachment) -> None:
    data = notices.quietly(tab_state.service().attachments.content, file.id)
    if data is None or not _show_image(data, file):
        st.caption(f":material/broken_image: {sanitize.plain_text(file.name)} cannot be shown")
        return
    st.caption(_facts(file))


def _show_image(data: bytes, file: Attachment) -> bool:
    """Render an image; return False if its bytes are not a valid image.

    Width and output format are given explicitly: otherwise Streamlit decodes the image in every
    run.
    """
    output_format: Any = _OUTPUT_FORMATS.get(file.media_type)
    try:
        st.image(data, alt=file.name, width=_MAX_WIDTH, output_format=output_format or "auto")
    except Exception:  # corrupt bytes from a damaged database raise any kind of error
        return False
    return True


def _draw_document(file: Attachment) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            sanitize.plain_text(file.name),
            data=partial(tab_state.service().attachments.content, file.id),
            file_name=file.name,
            mime="application/octet-stream",  # so that the browser never opens it
            key=f"file_{file.id}",
            icon=_ICONS[file.kind],
            on_click="ignore",
        )
        st.caption(_facts(file), width="content")
    if file.preview_sha256:
        _draw_table(file)


def _draw_table(file: Attachment) -> None:
    preview = notices.quietly(tab_state.service().attachments.preview, file.id)
    sheets = json.loads(preview)["sheets"] if preview else []
    if len(sheets) == 1:
        _draw_sheet(sheets[0], file)
    elif sheets:
        if len(sheets) > _MAX_SHEETS:
            st.caption(f"The first {_MAX_SHEETS} sheets:")
            sheets = sheets[:_MAX_SHEETS]
        for tab, sheet in zip(st.tabs([_sheet_name(each) for each in sheets]), sheets, strict=True):
            with tab:
                _draw_sheet(sheet, file)


def _sheet_name(sheet: dict[str, object]) -> str:
    return sanitize.plain_text(str(sheet["name"])) or "Sheet"


def _draw_sheet(sheet: dict[str, list[list[object]]], file: Attachment) -> None:
    import pandas

    rows = min(len(sheet["rows"]), 6)

    columns = [str(name) for name in sheet["columns"]]
    frame = pandas.DataFrame(sheet["rows"], dtype=object)
    frame.columns = _unique_names(columns, frame.shape[1])
    st.dataframe(
        frame.apply(_sortable),
        height=38 + 35 * max(1, rows),
        hide_index=True,
        alt=f"First rows of {file.name}",
    )


def _sortable(column: Any) -> Any:
    """Return a column as numbers, for sorting, if they are displayed unchanged; else as text.

    Codes such as 007 or +49, values such as 1.10 or 12E5, and numbers with more digits than a float
    can hold stay text.
    """
    import pandas

    texts = column.map(lambda value: "" if value is None else str(value))
    filled = texts[texts.ne("")]
    if filled.empty or not filled.str.fullmatch(_NUMBER).all():
        return texts
    return pandas.to_numeric(texts, errors="coerce")


def _unique_names(names: list[str], count: int) -> list[str]:
    """Return `count` distinct column names; pandas and Streamlit require them to differ."""
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

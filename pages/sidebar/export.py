"""Export of the conversation in view to a file in a selected format."""

from __future__ import annotations

import streamlit as st

from chat import Conversation, ExportFormat
from pages.session import notices, tab_state


def draw(conversation: Conversation) -> None:
    """Render the format, a button to prepare the export and, once prepared, the download."""
    st.markdown("**Export**")
    formats = list(ExportFormat)
    export_format = st.selectbox(
        "As",
        formats,
        key="export_form",
        format_func=lambda each: each.label,
        label_visibility="collapsed",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Prepare",
            key="export",
            icon=":material/download:",
            on_click=_prepare,
            args=(conversation.id,),
        )
        st.caption(export_format.description, width="content")
    export = st.session_state.get(tab_state.EXPORT, {}).get((conversation.id, export_format))
    if export is not None:
        st.download_button(
            f"Download {export.name.rpartition('.')[2].upper()}",
            data=export.data,
            file_name=export.name,
            mime=export.media_type,
            key="download_export",
            icon=":material/save:",
            on_click="ignore",
        )


def _prepare(conversation_id: str) -> None:
    export_format = st.session_state["export_form"]
    export = notices.attempt(tab_state.service().transfer.export, conversation_id, export_format)
    prepared = {(conversation_id, export_format): export} if export else {}
    st.session_state[tab_state.EXPORT] = prepared


def is_prepared(conversation: Conversation | None) -> bool:
    """Return whether an export of `conversation` is prepared; drop those of others."""
    prepared = st.session_state.get(tab_state.EXPORT, {})
    if any(conversation is None or each != conversation.id for each, _ in prepared):
        st.session_state.pop(tab_state.EXPORT)
        return False
    return bool(prepared)

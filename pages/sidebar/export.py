"""Takes the conversation in view out of Parley, in the form somebody chooses."""

from __future__ import annotations

import streamlit as st

from chat import Conversation, Form
from pages.session import notices, tab_state, visitor

_FORMS = {
    Form.MARKDOWN: ("Markdown", "to read"),
    Form.JSON: ("JSON", "everything, to be imported again"),
    Form.NOTEBOOK: ("Jupyter notebook", "asks the last question outside of Parley"),
    Form.SCRIPT: ("Python script", "asks the last question outside of Parley"),
    Form.CURL: ("curl line", "asks the last question outside of Parley"),
}


def draw(conversation: Conversation) -> None:
    st.markdown("**Export**")
    form = st.selectbox(
        "As",
        list(_FORMS),
        key="export_form",
        format_func=lambda each: _FORMS[each][0],
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
        st.caption(_FORMS[form][1], width="content")
    made = st.session_state.get("export_made", {}).get((conversation.id, form))
    if made is not None:
        st.download_button(
            f"Download {made.name.rpartition('.')[2].upper()}",
            data=made.data,
            file_name=made.name,
            mime=made.media_type,
            key="download_export",
            icon=":material/save:",
            on_click="ignore",
        )


def _prepare(conversation_id: str) -> None:
    form = st.session_state["export_form"]
    made = notices.attempt(tab_state.service().export, visitor.owner(), conversation_id, form)
    st.session_state["export_made"] = {(conversation_id, form): made} if made else {}

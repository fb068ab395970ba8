"""Warn once in each tab that the host may empty the disk with the history."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from chat import is_history_persistent
from pages.session import process, visitor

_SENTENCE = (
    "Conversations are stored on a disk here that may be emptied whenever this app restarts. "
    "Download what you want to keep from the History page."
)
_FOR_ADMINS = (
    " Back up all conversations on the Usage page. To keep them, set `DATABASE_URL` to a "
    "PostgreSQL server: see docs/deploy/community-cloud.md."
)


def draw() -> None:
    if st.session_state.get("knows_disk") or _is_kept():
        st.empty()
        return
    is_admin = visitor.person().is_admin
    with st.container(key="disk_notice", border=True, gap="xsmall"):
        more = _FOR_ADMINS if is_admin else ""
        st.markdown(f":material/cloud_off: {_SENTENCE}{more}")
        with st.container(horizontal=True):
            st.page_link("pages/screens/history.py", label="History", icon=":material/history:")
            if is_admin:
                st.page_link("pages/screens/usage.py", label="Backup", icon=":material/backup:")
            st.button("Understood", key="disk_understood", type="tertiary", on_click=_understood)


def _is_kept() -> bool:
    return is_history_persistent(process.chat_service().settings, Path(__file__).resolve())


def _understood() -> None:
    st.session_state["knows_disk"] = True

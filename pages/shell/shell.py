"""The frame around every screen: page settings, navigation, and what is said when nothing works."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from chat import SettingsError, keeps_history
from pages.markdown import sanitize
from pages.rendering import draw_turns
from pages.session import tab_state, visitor
from pages.shell import shell
from pages.sign_in import gate
from pages.streamlit_patches import atomic_callbacks

_STYLE = Path(__file__).with_name("style.css")
_SCREENS = Path(__file__).parents[1] / "screens"


def run() -> None:
    """Draw the screen that the URL asks for."""
    atomic_callbacks.make_whole()
    with draw_turns.taken():
        _draw()


def _draw() -> None:
    tab_state.begin_run()
    st.set_page_config(page_title="Parley", layout="centered")
    st.html(_STYLE)
    try:
        tab_state.stored()
    except SettingsError as error:
        st.error("Parley cannot start with this configuration:", icon=":material/error:")
        for problem in error.problems:
            st.text(problem)
        st.stop()
    if banner := tab_state.stored().banner():
        st.info(sanitize.line(banner), icon=":material/campaign:")
    else:
        st.empty()
    screens = [
        st.Page(_SCREENS / "conversation.py", title="Parley", default=True),
        st.Page(_SCREENS / "history.py", title="History", url_path="history"),
        st.Page(_SCREENS / "usage.py", title="Usage", url_path="usage"),
        st.Page(_SCREENS / "shared.py", title="Shared conversation", url_path="shared"),
    ]
    screen = st.navigation(screens, position="hidden")
    if screen.url_path == "shared":  # a link is for whoever has it
        screen.run()
    elif gate.is_open():
        shell.draw()
        screen.run()
    else:
        gate.draw()


_SENTENCE = (
    "Conversations are stored on a disk here that may be emptied whenever this app restarts. "
    "Download what you want to keep from the History page."
)


_FOR_ADMINS = (
    " Back up everybody's on the Usage page. A PostgreSQL at `DATABASE_URL` would keep them: see "
    "docs/deploy/community-cloud.md."
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
    return keeps_history(tab_state.stored().settings, Path(__file__).resolve())


def _understood() -> None:
    st.session_state["knows_disk"] = True

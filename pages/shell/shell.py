"""The frame around every screen: page settings, navigation, access check and start-up errors."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from chat import DatabaseUnavailable, SettingsError
from pages.markdown import sanitize
from pages.rendering import draw_turns
from pages.session import process, tab_state
from pages.shell import disk_notice
from pages.sign_in import gate
from pages.streamlit_patches import install

_STYLE = Path(__file__).with_name("style.css")
_SCREENS = Path(__file__).parents[1] / "screens"


def run() -> None:
    """Draw the screen that the URL asks for."""
    with draw_turns.turn():
        _draw()


def _draw() -> None:
    st.set_page_config(page_title="Parley", layout="centered")
    if problem := install.problem():  # before anything relies on this version of Streamlit
        st.error(problem, icon=":material/error:")
        st.stop()
    tab_state.begin_run()
    st.html(_STYLE)
    try:
        process.chat_service()
    except DatabaseUnavailable as error:
        _report("Parley cannot open its database. It tries again every few seconds:", error)
        _retry()
        st.stop()
    except SettingsError as error:
        _report("Parley cannot start with this configuration:", error)
        st.stop()
    if banner := process.chat_service().admin.banner():
        st.info(sanitize.plain_text(banner), icon=":material/campaign:")
    else:
        st.empty()
    screens = [
        st.Page(_SCREENS / "conversation.py", title="Parley", default=True),
        st.Page(_SCREENS / "history.py", title="History", url_path="history"),
        st.Page(_SCREENS / "usage.py", title="Usage", url_path="usage"),
        st.Page(_SCREENS / "shared.py", title="Shared conversation", url_path="shared"),
    ]
    screen = st.navigation(screens, position="hidden")
    if screen.url_path == "shared":  # the link itself grants access
        screen.run()
    elif gate.is_open():
        disk_notice.draw()
        screen.run()
    else:
        gate.draw()


def _report(sentence: str, error: SettingsError) -> None:
    st.error(sentence, icon=":material/error:")
    for problem in error.problems:
        st.text(problem)


@st.fragment(run_every=2.0)
def _retry() -> None:
    if process.can_open():
        st.rerun()

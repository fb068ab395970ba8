"""Treat the app as an `st.navigation` app from the first request on.

Upstream: streamlit/streamlit#8860 and #9992.
Symptom: "Page not found" for the first visitor who opens the address of a screen directly. Until
`st.navigation` has run once in the process, Streamlit takes a folder named `pages/` for a
multipage app of the older kind and looks for a script of that name in it.
Versions: since `st.navigation` was added (1.36), up to 1.67.
"""

from __future__ import annotations

from streamlit.runtime.pages_manager import PagesManager

_detected = PagesManager.uses_pages_directory  # AttributeError if this Streamlit has no such flag


def ignore_pages_directory() -> None:
    PagesManager.uses_pages_directory = False

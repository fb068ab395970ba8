"""Facts about the current script run that Streamlit has no public API for."""

from __future__ import annotations

from typing import Any


def is_script_run() -> bool:
    """Return whether this thread runs a page script, for which `st.query_params` is defined."""
    return _context() is not None


def is_history_navigation() -> bool:
    """Return whether the browser's back or forward button caused this run."""
    context = _context()
    return context is not None and bool(context.is_history_navigation)


def request_token() -> object:
    """Return an object that identifies the browser's request.

    It is the same for the runs that a script itself requests with `st.rerun` after it.
    """
    context = _context()
    return None if context is None else context.context_info


def uploaded_files() -> list[tuple[str, bytes]]:
    """Return name and content of every file that this tab has uploaded and no widget has consumed.

    `st.chat_input` returns its files only when the message is sent.
    """
    context = _context()
    if context is None:
        return []
    sessions: dict[str, dict[str, Any]] = getattr(context.uploaded_file_mgr, "file_storage", {})
    files = list(sessions.get(context.session_id, {}).values())
    return [(file.name, file.data) for file in files]


def _context() -> Any:
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    return get_script_run_ctx(suppress_warning=True)

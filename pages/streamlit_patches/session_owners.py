"""Which visitor started each session, as recorded by `session_ownership`."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

_owners: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # by AppSession


def set_owner(session: Any, visitor: str) -> None:
    _owners[session] = visitor


def owner_of(session: Any) -> str | None:
    """Return the visitor cookie, which may be empty, or None for an unknown session."""
    return _owners.get(session)


def owns_session(session_id: str, visitor: str) -> bool:
    """Return whether the session exists and was started by the browser with this cookie."""
    from streamlit import runtime

    if not runtime.exists():
        return False
    found = runtime.get_instance()._session_mgr.get_session_info(session_id)
    return found is not None and owner_of(found.session) == visitor


def close_disconnected_sessions(visitor: str) -> None:
    """Close the sessions of a visitor that wait for a reconnect; on Streamlit's event loop only.

    Each keeps three open files.
    """
    from streamlit import runtime

    if not runtime.exists():
        return
    manager = runtime.get_instance()._session_mgr
    for each in manager.list_sessions():
        session = each.session
        if owner_of(session) == visitor and not manager.is_active_session(session.id):
            manager.close_session(session.id)

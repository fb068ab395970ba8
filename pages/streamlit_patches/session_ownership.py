"""Resume a session only for the visitor who started it, and close sessions that cannot be resumed.

Upstream: by design. The id of a session is all that a WebSocket needs to resume it.
Symptoms: the id is part of upload addresses and was logged. Any client that knew it saw the page
of its visitor and acted as them. Each session also keeps three open files after its tab was
closed, until the next session is stored or resumed.
Versions: all up to 1.67; tests/streamlit_patches/test_session_ownership.py.

The visitor is the cookie that `server/visitor_cookie.py` has verified.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.session_manager import SessionClient
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from pages.streamlit_patches.replacement import Replacement
from pages.streamlit_patches.session_owners import owner_of, set_owner

_MAX_STORED = 30  # disconnected sessions of a visitor that can be resumed
_LIFETIME = 121.0  # seconds: the storage forgets sessions after 120, when it is next used

_connect = WebsocketSessionManager.connect_session
_disconnect = WebsocketSessionManager.disconnect_session
_CONNECT_PARAMETERS = (
    "client",
    "script_data",
    "user_info",
    "existing_session_id",
    "session_id_override",
)


def replacements(cookie_name: str) -> list[Replacement]:
    """`cookie_name` is the name of the visitor cookie."""
    return [
        Replacement(
            WebsocketSessionManager,
            "connect_session",
            _CONNECT_PARAMETERS,
            _connect_own_session(cookie_name),
        ),
        Replacement(
            WebsocketSessionManager, "disconnect_session", ("session_id",), _disconnect_and_expire
        ),
    ]


def _connect_own_session(cookie_name: str) -> Callable[..., str]:
    def connect(
        manager: WebsocketSessionManager,
        client: SessionClient,
        script_data: Any,
        user_info: Any,
        existing_session_id: str | None = None,
        session_id_override: str | None = None,
    ) -> str:
        context = client.client_context
        visitor = context.cookies.get(cookie_name, "") if context is not None else ""
        if existing_session_id and not _may_resume(
            manager, existing_session_id, visitor, user_info
        ):
            existing_session_id = None
        if existing_session_id and manager.is_active_session(existing_session_id):
            manager.disconnect_session(existing_session_id)  # Streamlit would also log the id
        session_id = _connect(
            manager, client, script_data, user_info, existing_session_id, session_id_override
        )
        session = _find(manager, session_id)
        assert session is not None
        set_owner(session, visitor)
        if session._script_event_loop.is_closed():
            session._script_event_loop = asyncio.new_event_loop()
        return session_id

    return connect


def _may_resume(manager: Any, session_id: str, visitor: str, user_info: Any) -> bool:
    """Return whether the visitor owns the session; also what Streamlit checks and logs itself."""
    session = _find(manager, session_id)
    if session is None or not visitor or owner_of(session) != visitor:
        return False
    if manager._session_resume_forbidden(session_id):
        return False
    return session.matches_user_info(user_info)


def _disconnect_and_expire(manager: WebsocketSessionManager, session_id: str) -> None:
    session = _find(manager, session_id)
    _disconnect(manager, session_id)
    visitor = owner_of(session) if session is not None else None
    if visitor is None:
        return
    stored = [
        each.session
        for each in manager._session_storage.list()
        if owner_of(each.session) == visitor and not manager.is_active_session(each.session.id)
    ]
    if session is not None and session._scriptrunner is None:
        session._script_event_loop.close()  # its three open files; a resumed session gets another
    for each in stored[: -_MAX_STORED if visitor else None]:  # without a cookie none is resumed
        manager.close_session(each.id)
    asyncio.get_running_loop().call_later(_LIFETIME, _expire, weakref.ref(manager))


def _expire(reference: weakref.ref[WebsocketSessionManager]) -> None:
    if (manager := reference()) is not None:
        manager._session_storage.list()  # removes what is too old


def _find(manager: Any, session_id: str) -> AppSession | None:
    found = manager.get_session_info(session_id)
    return None if found is None else found.session

"""Refuse the messages of a browser that Parley's pages never send.

Upstream: by design. Any WebSocket, also before sign-in, may send every message of the protocol.
Symptoms: `clear_cache` empties the caches of all users, `install_skills` writes files into the
app's folder, `load_git_info` reveals the repository, and a list of a million file names is answered
with a million upload addresses.
Versions: all up to 1.67; tests/streamlit_patches/test_message_filter.py.
"""

from __future__ import annotations

import logging

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.app_session import AppSession

from pages.streamlit_patches.replacement import Replacement

log = logging.getLogger("pages")

_NEEDED = frozenset(
    {
        "rerun_script",
        "stop_script",
        "file_urls_request",
        "app_heartbeat",
        "backend_operation_request",
    }
)
_NEEDED_OPERATIONS = frozenset({"deferred_file"})  # download buttons with a callable
_MAX_FILE_NAMES = 1_000  # in one request for upload addresses

_handle = AppSession.handle_backmsg


def replacements() -> list[Replacement]:
    return [Replacement(AppSession, "handle_backmsg", ("msg",), _handle_needed)]


def is_needed(message: BackMsg) -> bool:
    """Return whether a page of Parley may send this message."""
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        operations = message.backend_operation_request.ListFields()
        names = {field.name for field, _ in operations} - {"request_id", "session_id"}
        return names <= _NEEDED_OPERATIONS
    if kind == "file_urls_request":
        return len(message.file_urls_request.file_names) <= _MAX_FILE_NAMES
    return kind in _NEEDED


def _handle_needed(session: AppSession, msg: BackMsg) -> None:
    if is_needed(msg):
        _handle(session, msg)
    else:
        log.debug("a message of type %s was refused", msg.WhichOneof("type"))

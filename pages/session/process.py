"""The chat service of this process, shared by all tabs, and the list of open tabs.

They are held by this module and not by `st.cache_resource`, which the messages of a browser and
Streamlit's developer menu can clear.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import TYPE_CHECKING

from chat import DatabaseUnavailable, ParleyError, SettingsError
from pages.session import configuration
from pages.streamlit_patches import install
from pages.streamlit_patches.server_address import is_address_chosen
from server.local_only import is_hosted
from server.open_tabs import OpenTabs, limits_of_process

if TYPE_CHECKING:
    from chat import ChatService

_service: ChatService | None = None
_tabs: OpenTabs | None = None
_opening = threading.Lock()

_RETRY = 3.0  # seconds between two attempts to open a database that is not available
_failed_at = 0.0

_MAX_MESSAGE = 8_000_000  # bytes that a tab sends at once: its texts, and a long draft
_MAX_RECORDING = 25_000_000  # Streamlit's limit; recordings are sent as base64


def chat_service() -> ChatService:
    """Return the chat service of this process, opened by the first call.

    Raises `SettingsError` if the configuration is invalid or Streamlit is not the right version.
    The configuration is read again by the call after that.
    """
    global _service, _failed_at
    if _service is not None:
        return _service
    from chat import open_chat

    if problem := install.problem():
        raise SettingsError([problem])
    with _opening:
        if _service is None:
            try:
                service = open_chat(configuration.read().values)
            except SettingsError:
                configuration.forget()
                _failed_at = time.monotonic()
                raise
            try:
                service.access.load_keys()
            except ParleyError as error:
                service.close()
                _failed_at = time.monotonic()
                raise DatabaseUnavailable([str(error)]) from None
            _service = service
        return _service


def can_open() -> bool:
    """Try to open the chat service, unless it failed just now or another tab is trying."""
    if _service is None:
        if _opening.locked() or time.monotonic() - _failed_at < _RETRY:
            return False
        try:
            chat_service()
        except ParleyError:
            return False
    return True


def opened_service() -> ChatService | None:
    """Return the chat service if it is open, without waiting for it."""
    return _service


def open_tabs() -> OpenTabs:
    """Return the open tabs of this process."""
    global _tabs
    with _opening:
        if _tabs is None:
            _tabs = OpenTabs(limits_of_process())
        return _tabs


@cache
def is_local_only() -> bool:
    """Return whether other computers are refused: by default, except in containers."""
    return not is_address_chosen() and not is_hosted()


def message_bytes() -> int:
    """Return the size of the largest message that a tab with access may send."""
    service = opened_service()
    has_dictation = service is None or service.runtime.transcriber is not None
    return _MAX_RECORDING if has_dictation else _MAX_MESSAGE


def reset() -> None:
    """Forget the service, which the caller has closed, and the configuration; for tests."""
    global _service, _tabs
    with _opening:
        _service = _tabs = None
    configuration.forget()

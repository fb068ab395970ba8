"""The chat service of this process, shared by all tabs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import streamlit as st

from chat import SettingsError
from pages.session import configuration
from pages.streamlit_patches import install

if TYPE_CHECKING:
    from chat import ChatService

_opened: list[ChatService] = []
_opening = threading.Lock()


@st.cache_resource(show_spinner=False)
def chat_service() -> ChatService:
    """Return the chat service of this process, opened by the first call.

    Raises `SettingsError` if the configuration is invalid or Streamlit is not the right version.
    The configuration is read again by the call after that.
    """
    from chat import open_chat

    if problem := install.problem():
        raise SettingsError([problem])
    with _opening:
        try:
            service = open_chat(configuration.read().values)
        except SettingsError:
            configuration.read.clear()
            raise
        _opened.append(service)
    return service


def opened_services() -> list[ChatService]:
    """Return every service that `chat_service` has opened, to close them at shutdown."""
    with _opening:
        return list(_opened)

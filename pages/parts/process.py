"""The life of the process: the service is opened before the first visitor and closed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from chat import ChatService, ParleyError
from pages.parts import state

log = logging.getLogger("pages")


@contextlib.asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Begin to open the service at start; at the end, stop and store what still runs."""
    _log_to_console()
    # Else the first visitor is told "Page not found" when they come in by the address of a screen:
    # until `st.navigation` has run once, Streamlit looks for a script in `pages/`.
    PagesManager.uses_pages_directory = False
    # Nobody waits for it but the first page: a browser takes as long to load what it needs.
    opening = asyncio.create_task(anyio.to_thread.run_sync(_open))
    yield
    service = await opening
    if service is not None:
        await anyio.to_thread.run_sync(service.close)


def _open() -> ChatService | None:
    _import_pages()
    try:
        service = state.stored()
    except ParleyError as error:
        log.error("%s", error)  # the page says the same, once it is opened
        return None
    if not service.voice_problem:
        _import_recorder()
    return service


def _import_pages() -> None:
    """What the first page needs, so that nobody waits for it."""
    from pages.parts import composer, live, sidebar, transcript  # noqa: F401


def _import_recorder() -> None:
    """What Streamlit needs for the recorder: pyarrow, which takes half a second."""
    from streamlit.components.v1 import component_arrow  # noqa: F401


def on_script_error(error: Exception) -> bool:
    """The traceback goes to the log, a sentence to the person."""
    log.error("a page failed", exc_info=error)
    sentence = error.sentence if isinstance(error, ParleyError) else ParleyError.sentence
    st.error(sentence, icon=":material/error:")
    return True


def _log_to_console() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("chat", "pages", "server"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(handler)
            logger.propagate = False

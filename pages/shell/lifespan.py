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

from chat import (
    ParleyError,
    Settings,
    SettingsError,
    log_formatter,
    read_settings,
    request_id,
)
from pages.session import request_tracing, tab_state
from pages.shell import shutdown
from pages.streamlit_patches import atomic_callbacks, media_ownership, rerun_queue, secrets_errors

log = logging.getLogger("pages")


@contextlib.asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Begin to open the service at start; at the end, stop and store what still runs."""
    _log_to_console()
    atomic_callbacks.make_whole()
    rerun_queue.make_whole()
    media_ownership.note_owners()
    # Else the first visitor is told "Page not found" when they come in by the address of a screen:
    # until `st.navigation` has run once, Streamlit looks for a script in `pages/`.
    PagesManager.uses_pages_directory = False
    # Nobody waits for it but the first page: a browser takes as long to load what it needs.
    opening = asyncio.create_task(anyio.to_thread.run_sync(_open))
    leaving, closing = shutdown.Leaving(), list[asyncio.Task[None]]()

    async def close() -> None:
        try:
            await asyncio.wait({opening})
            await anyio.to_thread.run_sync(_close)
        finally:
            leaving.stored()

    def begin() -> None:
        if not closing:
            closing.append(asyncio.create_task(close()))
            leaving.begin()

    loop = asyncio.get_running_loop()
    with shutdown.at_signal(lambda: loop.call_soon_threadsafe(begin)):
        yield
        begin()
        await closing[0]
    leaving.over()


def _open() -> None:
    _import_pages()
    try:
        service = tab_state.stored()
    except ParleyError as error:
        log.error("%s", error)  # the page says the same, once it is opened
        return
    if not service.voice_problem:
        _import_recorder()


def _close() -> None:
    for service in tab_state.opened():
        try:
            service.close()
        except Exception:  # the next one may hold replies, too
            log.exception("a service did not close orderly")


def _import_pages() -> None:
    """What the first page needs, so that nobody waits for it."""
    from pages.sidebar import sidebar  # noqa: F401


def _import_recorder() -> None:
    """What Streamlit needs for the recorder: pyarrow, which takes half a second."""
    from streamlit.components.v1 import component_arrow  # noqa: F401


def on_script_error(error: Exception) -> bool:
    """The traceback goes to the log, a sentence to the person."""
    with request_tracing.telling():
        log.error("a page failed", exc_info=error)
        sentence = error.sentence if isinstance(error, ParleyError) else ParleyError.sentence
        if type(error) is ParleyError or not isinstance(error, ParleyError):
            sentence += f" If you report this, name it: {request_id()}"
        st.error(sentence, icon=":material/error:")
    return True


def _log_to_console() -> None:
    settings = _settings()
    formatter = log_formatter(settings.log_format)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    for name in ("chat", "pages", "server"):
        logger = logging.getLogger(name)
        logger.setLevel(settings.log_level)
        if not logger.handlers:
            logger.addHandler(handler)
            logger.propagate = False
    if settings.log_format == "json":
        _format_others(formatter)


def _format_others(formatter: logging.Formatter) -> None:
    """What the server under us says, in the same form."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("streamlit", "uvicorn", "websockets"):
            for handler in logging.getLogger(name).handlers:
                handler.setFormatter(formatter)


def _settings() -> Settings:
    try:
        return read_settings(secrets_errors.config())
    except SettingsError:  # the page says so once it is opened
        return Settings()

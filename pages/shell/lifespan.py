"""The lifespan of the process: open the chat service at startup, close it at shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio.to_thread
import streamlit as st

from chat import ParleyError, Settings, log_formatter, request_id, set_io_hook
from pages.rendering import draw_turns
from pages.session import process, request_tracing
from pages.shell.shutdown import ShutdownWatchdog, on_signal
from pages.streamlit_patches.warm_up import import_component_runtime
from server import process_memory
from server.listening import listens_to_others

log = logging.getLogger("pages")

Lifespan = Callable[[Any], contextlib.AbstractAsyncContextManager[None]]


def lifespan(settings: Settings) -> Lifespan:
    """Return the lifespan for `st.App`."""

    @contextlib.asynccontextmanager
    async def run(_app: Any) -> AsyncIterator[None]:
        _log_to_console(settings)
        process_memory.protect()
        set_io_hook(draw_turns.paused)
        # In the background: only the first page waits for it, not the server.
        opening = asyncio.create_task(anyio.to_thread.run_sync(_open))
        watchdog, closing = ShutdownWatchdog(), list[asyncio.Task[None]]()

        async def close() -> None:
            try:
                await asyncio.wait({opening})
                await anyio.to_thread.run_sync(_close)
            finally:
                watchdog.mark_saved()

        def begin() -> None:
            if not closing:
                closing.append(asyncio.create_task(close()))
                watchdog.start()

        loop = asyncio.get_running_loop()
        with on_signal(lambda: loop.call_soon_threadsafe(begin)):
            yield
            begin()
            await closing[0]
        watchdog.cancel()

    return run


def _open() -> None:
    _import_pages()
    try:
        service = process.chat_service()
    except ParleyError as error:
        log.error("%s", error)  # pages show the same sentence
        return
    _warn_if_open_to_everyone(service.settings)
    if service.runtime.transcriber is not None:
        import_component_runtime()  # for the microphone button


def _warn_if_open_to_everyone(settings: Settings) -> None:
    if process.is_local_only():
        log.info("only this computer is answered; see --server.address in docs/manual/sign-in.md")
    elif not settings.is_restricted and listens_to_others():
        log.warning(
            "everyone who can reach this address can use Parley and its API keys without a limit: "
            "set ACCESS_CODE, sign-in or LIMIT_… (docs/manual/sign-in.md)"
        )


def _close() -> None:
    if (service := process.opened_service()) is not None:
        service.close()


def _import_pages() -> None:
    """Import what the first page needs, so that no visitor waits for it."""
    from pages.sidebar import sidebar  # noqa: F401


def on_script_error(error: Exception) -> bool:
    """Log the traceback and show a sentence; return True to suppress Streamlit's own message."""
    with request_tracing.reporting():
        log.error("a page failed", exc_info=error)
        sentence = error.sentence if isinstance(error, ParleyError) else ParleyError.sentence
        if type(error) is ParleyError or not isinstance(error, ParleyError):
            sentence += f" If you report this, include the id {request_id()}"
        st.error(sentence, icon=":material/error:")
    return True


def _log_to_console(settings: Settings) -> None:
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
        _format_server_logs(formatter)
    logging.getLogger("uvicorn.error").addFilter(_is_no_refusal)
    for name in list(logging.root.manager.loggerDict):
        if name.endswith("starlette_websocket"):
            logging.getLogger(name).addFilter(_without_traceback)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Filter the error that uvicorn logs when a WebSocket is answered instead of being opened."""
    return record.msg != "ASGI callable returned without completing handshake."


def _without_traceback(record: logging.LogRecord) -> bool:
    """Log one line for a message that is no message of Streamlit's: everyone can send them."""
    if record.msg == "Error deserializing back message":
        record.exc_info = None
    return True


def _format_server_logs(formatter: logging.Formatter) -> None:
    """Use the same format for the log lines of Streamlit and uvicorn."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("streamlit", "uvicorn", "websockets"):
            for handler in logging.getLogger(name).handlers:
                handler.setFormatter(formatter)

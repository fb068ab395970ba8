"""What stands around the pages: cookie, health routes, start and end of the process."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from chat import ParleyError
from server.visitor import VisitorCookie

log = logging.getLogger("server")


async def healthz(_request: Request) -> PlainTextResponse:
    """Alive: the process answers."""
    return PlainTextResponse("ok")


ROUTES = [Route("/healthz", healthz)]
MIDDLEWARE = [Middleware(VisitorCookie)]


def on_script_error(error: Exception) -> bool:
    """The traceback goes to the log, a sentence to the person."""
    import streamlit as st

    log.error("a page failed", exc_info=error)
    sentence = error.sentence if isinstance(error, ParleyError) else ParleyError.sentence
    st.error(sentence, icon=":material/error:")
    return True


def _log_to_console() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("chat", "server"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(handler)
            logger.propagate = False


def _warm() -> None:
    """Import what the first streamed reply needs, so that nobody waits for it."""
    import pandas  # noqa: F401

    from pages.parts import live, transcript  # noqa: F401


@contextlib.asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Open the service before the first visitor; store what runs when the process ends."""
    from pages.parts import state

    _log_to_console()
    threading.Thread(target=_warm, name="parley-warm", daemon=True).start()
    service = None
    try:
        service = await anyio.to_thread.run_sync(state.service)
    except ParleyError as error:
        log.error("%s", error)  # the page says the same, once it is opened
    yield
    if service is not None:
        await anyio.to_thread.run_sync(service.close)

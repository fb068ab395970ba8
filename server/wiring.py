"""Routes and middleware around Streamlit: probes, metrics, cookies, headers and limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Route

from server.disconnects import SuppressDisconnectErrors
from server.downloads import PREFIX, Download, DownloadsEndpoint
from server.metrics import MetricsEndpoint
from server.private_media import PrivateMedia
from server.private_responses import HideStreamlitMetrics, PrivateSharedPages
from server.readiness import ReadinessEndpoint
from server.request_ids import RequestIds
from server.security_headers import SecurityHeaders
from server.tcp_nodelay import TcpNoDelay
from server.upload_limits import UploadLimits
from server.visitor_cookie import VisitorCookie

if TYPE_CHECKING:
    from chat import ChatService, Settings

_ICON = Path(__file__).with_name("icon.png")


async def healthz(_request: Request) -> PlainTextResponse:
    """Liveness probe: the process answers."""
    return PlainTextResponse("ok")


async def icon(_request: Request) -> FileResponse:
    """Replace Streamlit's icon. Setting it with `st.set_page_config` would import Pillow."""
    return FileResponse(_ICON, headers={"Cache-Control": "public, max-age=86400"})


def routes(
    service: Callable[[], ChatService],
    active_sessions: Callable[[], int | None],
    may_download: Callable[[str, str], Download | None],
) -> list[Route]:
    """Return our routes.

    `service` opens the chat service or raises a `ParleyError`; for the other two see
    `MetricsEndpoint` and `DownloadsEndpoint`.
    """
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    downloads = f"/{base}{PREFIX}" if base else PREFIX
    return [
        Route(f"{downloads}/{{token}}", DownloadsEndpoint(may_download).answer),
        Route("/healthz", healthz),
        Route("/favicon.png", icon),
        Route("/readyz", ReadinessEndpoint(service).answer),
        Route("/metrics", MetricsEndpoint(service, active_sessions).answer),
    ]


def middleware(
    settings: Settings,
    index_html: str,
    *,
    may_upload: Callable[[str], bool],
    may_fetch: Callable[[str, str], bool],
) -> list[Middleware]:
    """Return our middleware, the outermost first.

    `index_html` is the page that Streamlit serves. `may_upload(cookie)` and
    `may_fetch(file_name, cookie)` decide by the visitor cookie, which may be empty.
    """
    return [
        Middleware(TcpNoDelay),
        Middleware(SuppressDisconnectErrors),
        Middleware(RequestIds),
        Middleware(SecurityHeaders, index_html=index_html, ancestors=settings.frame_ancestors),
        Middleware(VisitorCookie),
        Middleware(PrivateSharedPages),
        Middleware(HideStreamlitMetrics),
        Middleware(PrivateMedia, may_fetch=may_fetch),
        Middleware(UploadLimits, settings=settings, may_upload=may_upload),
    ]

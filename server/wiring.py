"""Routes and middleware around Streamlit: probes, metrics, cookies, headers and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Route

from chat import is_community_cloud
from server.disconnects import SuppressDisconnectErrors
from server.downloads import PREFIX, Download, DownloadsEndpoint
from server.local_only import LocalOnly
from server.metrics import MetricsEndpoint
from server.open_tabs import OpenTabs
from server.private_media import PrivateMedia
from server.private_responses import HideStreamlitMetrics, PrivateSharedPages
from server.readiness import ReadinessEndpoint
from server.request_ids import RequestIds
from server.security_headers import SecurityHeaders
from server.sign_out import ConfirmedSignOut
from server.tcp_nodelay import TcpNoDelay
from server.upload_limits import UploadLimits
from server.visitor_cookie import VisitorCookie
from server.visitor_signature import VisitorSignature
from server.websocket_limits import WebSocketLimits

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
    return [
        Route(f"{_base_path()}{PREFIX}/{{token}}", DownloadsEndpoint(may_download).answer),
        Route("/healthz", healthz),
        Route("/favicon.png", icon),
        Route("/readyz", ReadinessEndpoint(service).answer),
        Route("/metrics", MetricsEndpoint(service, active_sessions).answer),
    ]


@dataclass(frozen=True)
class AccessChecks:
    """What the pages know about browsers. The functions may block, except for the first.

    Each `cookies` is the cookies of a browser by name, `cookie` its visitor cookie, which may be
    empty.
    """

    visitor_key: Callable[[], bytes | None]  # see `VisitorSignature`
    is_earlier_visitor: Callable[[str], bool]  # (cookie)
    has_access: Callable[[Mapping[str, str]], bool]  # (cookies)
    may_upload: Callable[[Mapping[str, str], str], bool]  # (cookies, session id)
    held_uploads: Callable[[], Mapping[str, int]]  # see `HeldUploads`
    may_fetch: Callable[[str, str], bool]  # (file name, cookie)
    may_clear_sign_in: Callable[[Mapping[str, str]], bool]  # (cookies)
    forget_sessions: Callable[[str], None]  # (cookie), of a visitor without access
    message_bytes: Callable[[], int]  # of the largest message of a browser with access


def middleware(
    settings: Settings,
    index_html: str,
    *,
    tabs: OpenTabs,
    access: AccessChecks,
    is_local_only: bool = False,
) -> list[Middleware]:
    """Return our middleware, the outermost first.

    `index_html` is the page that Streamlit serves. With `is_local_only` other computers are
    refused: see `LocalOnly`.
    """
    base = _base_path()
    signature = VisitorSignature(access.visitor_key, access.is_earlier_visitor)
    proxies = settings.trusted_proxies
    return [
        Middleware(TcpNoDelay),
        Middleware(SuppressDisconnectErrors),
        Middleware(RequestIds),
        *([Middleware(LocalOnly)] if is_local_only else []),
        Middleware(
            SecurityHeaders,
            index_html=index_html,
            ancestors=settings.frame_ancestors,
            base_path=base,
            is_address_known=not is_community_cloud(Path(__file__)),
        ),
        Middleware(VisitorCookie, signature=signature),
        Middleware(
            WebSocketLimits,
            tabs=tabs,
            trusted_proxies=proxies,
            has_access=access.has_access,
            message_bytes=access.message_bytes,
            forget=access.forget_sessions,
            can_check_access=lambda: access.visitor_key() is not None,
        ),
        Middleware(ConfirmedSignOut, may_clear_sign_in=access.may_clear_sign_in),
        Middleware(PrivateSharedPages),
        Middleware(HideStreamlitMetrics),
        Middleware(PrivateMedia, may_fetch=access.may_fetch),
        Middleware(
            UploadLimits,
            settings=settings,
            may_upload=access.may_upload,
            held=access.held_uploads,
        ),
    ]


def _base_path() -> str:
    """Return the path that the app is served under: empty, or with a slash in front."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""

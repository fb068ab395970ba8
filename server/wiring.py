"""What stands around the pages: the visitor's cookie and the routes a host asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Route

from server.disconnects import HangUps
from server.metrics import Figures
from server.private_media import PrivateMedia
from server.private_responses import NoOtherFigures, SharedPrivately
from server.readiness import Readiness
from server.request_ids import RequestIds
from server.security_headers import SecurityHeaders
from server.tcp_nodelay import Prompt
from server.upload_limits import Uploads
from server.visitor_cookie import VisitorCookie

if TYPE_CHECKING:
    from chat import ChatService

_ICON = Path(__file__).with_name("icon.png")


async def healthz(_request: Request) -> PlainTextResponse:
    """Alive: the process answers."""
    return PlainTextResponse("ok")


async def icon(_request: Request) -> FileResponse:
    """Instead of Streamlit's own. Named in the page's settings it would be read by Pillow."""
    return FileResponse(_ICON, headers={"Cache-Control": "public, max-age=86400"})


ROUTES = [Route("/healthz", healthz), Route("/favicon.png", icon)]
# The first stands around the others.
MIDDLEWARE = [
    Middleware(Prompt),
    Middleware(HangUps),
    Middleware(RequestIds),
    Middleware(SecurityHeaders),
    Middleware(VisitorCookie),
    Middleware(SharedPrivately),
    Middleware(NoOtherFigures),
]


def routes(service: Callable[[], ChatService]) -> list[Route]:
    """All of them; `service` opens it, which may take a while, or raises what is wrong."""
    return [
        *ROUTES,
        Route("/readyz", Readiness(service).answer),
        Route("/metrics", Figures(service).answer),
    ]


def middleware(
    may_upload: Callable[[str], bool], may_fetch: Callable[[str, str], bool]
) -> list[Middleware]:
    """All of it; only the pages know which visitors may upload, and whose a file is."""
    return [
        *MIDDLEWARE,
        Middleware(PrivateMedia, may_fetch=may_fetch),
        Middleware(Uploads, may_upload=may_upload),
    ]

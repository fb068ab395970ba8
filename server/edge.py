"""What stands around the pages: the visitor's cookie and the routes a host asks for."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.headers import SecurityHeaders
from server.privacy import SharedPrivately
from server.uploads import Uploads
from server.visitor import VisitorCookie


async def healthz(_request: Request) -> PlainTextResponse:
    """Alive: the process answers."""
    return PlainTextResponse("ok")


ROUTES = [Route("/healthz", healthz)]
# The first stands around the others.
MIDDLEWARE = [
    Middleware(SecurityHeaders),
    Middleware(VisitorCookie),
    Middleware(SharedPrivately),
]


def middleware(may_upload: Callable[[str], bool]) -> list[Middleware]:
    """All of it; only the pages know which visitors may upload."""
    return [*MIDDLEWARE, Middleware(Uploads, may_upload=may_upload)]

"""The app's middleware and routes for tests, with every visitor allowed and chosen settings."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.routing import Route

from chat import ChatService, read_settings
from pages.streamlit_patches.index_page import index_html
from server import wiring
from server.open_tabs import OpenTabs, TabLimits
from server.visitor_cookie import COOKIE
from server.visitor_signature import VisitorSignature

KEY = b"k" * 32  # signs visitor cookies


def visitor_cookie(visitor: str) -> str:
    """Return the cookie header of a visitor, signed for `middleware`."""
    signature = VisitorSignature(lambda: KEY, lambda _cookie: False)
    return f"{COOKIE}={signature.sign(visitor)}"


def middleware(**config: str) -> list[Middleware]:
    """Return the middleware as `app.py` builds it, for a configuration such as `MAX_FILES="3"`."""
    return wiring.middleware(
        read_settings(config),
        index_html(),
        tabs=OpenTabs(TabLimits()),
        access=wiring.AccessChecks(
            visitor_key=lambda: KEY,
            is_earlier_visitor=lambda _cookie: False,
            has_access=lambda _cookies: True,
            may_upload=lambda _cookies, _session: True,
            held_uploads=dict,
            may_fetch=lambda _name, _cookie: True,
            may_clear_sign_in=lambda _cookies: True,
            forget_sessions=lambda _cookie: None,
            message_bytes=lambda: 8_000_000,
        ),
    )


def routes(service: Callable[[], ChatService] | None = None) -> list[Route]:
    """Return the routes; those that need a service fail without one."""

    def missing() -> ChatService:
        raise AssertionError("the route needs a service")

    return wiring.routes(service or missing, lambda: None, lambda _token, _cookie: None)

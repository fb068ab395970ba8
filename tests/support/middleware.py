"""The app's middleware and routes for tests, with every visitor allowed and chosen settings."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.routing import Route

from chat import ChatService, read_settings
from pages.streamlit_patches.index_page import index_html
from server import wiring


def middleware(**config: str) -> list[Middleware]:
    """Return the middleware as `app.py` builds it, for a configuration such as `MAX_FILES="3"`."""
    return wiring.middleware(
        read_settings(config),
        index_html(),
        may_upload=lambda _cookie: True,
        may_fetch=lambda _name, _cookie: True,
    )


def routes(service: Callable[[], ChatService] | None = None) -> list[Route]:
    """Return the routes; those that need a service fail without one."""

    def missing() -> ChatService:
        raise AssertionError("the route needs a service")

    return wiring.routes(service or missing, lambda: None, lambda _token, _cookie: None)

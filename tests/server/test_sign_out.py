"""Streamlit's sign-out address removes the cookie only of a sign-in that was ended before."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from server.sign_out import ConfirmedSignOut


def client() -> TestClient:
    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("signed out")

    def may_clear_sign_in(cookies: Mapping[str, str]) -> bool:
        return cookies.get("user") != "signed in"

    middleware = [Middleware(ConfirmedSignOut, may_clear_sign_in=may_clear_sign_in)]
    routes = [Route("/{rest:path}", answer, methods=["GET", "POST"])]
    return TestClient(Starlette(routes=routes, middleware=middleware))


IMAGE = {"sec-fetch-dest": "image", "sec-fetch-site": "same-origin"}
LINK = {"sec-fetch-dest": "document", "sec-fetch-site": "same-origin", "sec-fetch-user": "?1"}


@pytest.mark.parametrize("headers", [{}, IMAGE, LINK, {"sec-fetch-dest": "document"}])
@pytest.mark.parametrize("path", ["/auth/logout", "/below/auth/logout", "/auth/logout/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_valid_sign_in_is_not_ended_by_a_request(
    path: str, headers: dict[str, str], method: str
) -> None:
    app = client()
    signed_in = {**headers, "cookie": "user=signed in"}
    assert app.request(method, path, headers=signed_in).status_code == 403
    ended = {**headers, "cookie": "user=ended"}
    assert app.request(method, path, headers=ended).status_code == 200


def test_other_addresses_are_not_checked() -> None:
    for path in ("/", "/auth/login", "/auth/logouts", "/oauth2callback"):
        assert client().get(path, headers={"cookie": "user=signed in"}).text == "signed out"


def test_refusal_says_how_to_sign_out() -> None:
    response = client().get("/auth/logout", headers={"cookie": "user=signed in"})
    assert response.text == "To sign out, use the button in the sidebar."

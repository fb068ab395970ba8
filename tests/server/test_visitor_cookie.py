"""The visitor cookie is signed; a cookie that we did not make identifies no visitor."""

from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from chat import is_visitor_cookie
from server.visitor_cookie import COOKIE, HOST_COOKIE, VisitorCookie, is_page
from server.visitor_signature import VisitorSignature

KEY = b"k" * 32
EARLIER = "e" * 43  # an unsigned cookie with data
ME, OTHER = "m" * 43, "o" * 43
HTTPS = {"x-forwarded-proto": "https"}


def signature(key: bytes | None = KEY) -> VisitorSignature:
    return VisitorSignature(lambda: key, lambda cookie: cookie == EARLIER)


def client(signing: VisitorSignature | None = None) -> TestClient:
    """Return a client of an app that returns the received cookie in its pages."""

    async def page(request: Request) -> Response:
        return HTMLResponse(f"<{request.cookies.get(COOKIE, '')}>")

    async def unchanged(_: Request) -> Response:
        return Response(status_code=304)

    async def media(request: Request) -> Response:
        return Response(request.cookies.get(COOKIE, ""))

    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.cookies.get(COOKIE, ""))
        await websocket.close()

    middleware = [Middleware(VisitorCookie, signature=signing or signature())]
    routes = [
        Route("/", page),
        Route("/history", unchanged),
        Route("/icon.png", unchanged),
        Route("/media/{name}", media),
        WebSocketRoute("/_stcore/stream", stream),
    ]
    return TestClient(Starlette(routes=routes, middleware=middleware))


def get(app: TestClient, cookies: str = "", path: str = "/", **headers: str) -> Response:
    app.cookies.clear()
    headers = {**headers, **({"cookie": cookies} if cookies else {})}
    return app.get(path, headers=headers)  # type: ignore[return-value]


def seen(response: Response) -> str:
    """Return the visitor that the page has seen."""
    return re.findall("<(.*)>", response.text)[0]  # type: ignore[attr-defined]


def given(response: Response, name: str = COOKIE) -> str:
    """Return the value that the response sets the cookie to."""
    lines = response.headers.get_list("set-cookie")  # type: ignore[attr-defined]
    (value,) = (each.split(";")[0].partition("=")[2] for each in lines if each.startswith(name))
    return str(value)


def test_page_response_sets_a_missing_cookie() -> None:
    app = client()
    assert COOKIE in app.get("/history").headers["set-cookie"]
    assert "set-cookie" not in app.get("/icon.png").headers


def test_signed_cookie_is_kept_and_http_only() -> None:
    app = client()
    first = app.get("/").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(first.split("; "))
    again = app.get("/")
    assert again.headers["set-cookie"].split(";")[0] == first.split(";")[0]
    assert first.startswith(f"{COOKIE}={seen(again)}.")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "planted",
    [
        "",
        "short",
        ME,  # well-formed, but not signed
        f"{ME}.",
        f"{ME}.{'x' * 43}",
        signature(b"another key" * 3).sign(ME),
        signature().sign(ME)[:-1],
        signature().sign(ME) + "x",
        signature().sign(ME).replace(ME, OTHER),
        f"{OTHER}.{signature().sign(ME)}",
        "x" * 44,
        "x" * 42 + "!",
        "x" * 43 + "\u00e4",
        "x" * 42 + "%0a",
        f"{ME}.\u00e4",
    ],
)
def test_cookie_that_is_not_ours_is_replaced_and_not_seen(planted: str) -> None:
    header = f"{COOKIE}={planted}".encode("latin-1")
    answer = client().get("/", headers=[(b"cookie", header)])
    assert seen(answer) == ""  # type: ignore[arg-type]
    visitor = given(answer).partition(".")[0]  # type: ignore[arg-type]
    assert is_visitor_cookie(visitor) and visitor not in planted
    if planted.isascii():  # the test client sends no other header with a WebSocket
        headers = {"cookie": f"{COOKIE}={planted}"}
        with client().websocket_connect("/_stcore/stream", headers=headers) as socket:
            assert socket.receive_text() == ""
    assert client().get("/media/x", headers=[(b"cookie", header)]).text == ""


def test_pages_media_and_websockets_see_the_visitor_of_a_signed_cookie() -> None:
    cookies = f"a=1; {COOKIE}={signature().sign(ME)}; b=2"
    assert seen(get(client(), cookies)) == ME
    assert get(client(), cookies, "/media/x").text == ME  # type: ignore[attr-defined]
    headers = {"cookie": cookies}
    with client().websocket_connect("/_stcore/stream", headers=headers) as socket:
        assert socket.receive_text() == ME


def test_unsigned_cookie_of_an_earlier_visitor_is_kept_and_signed() -> None:
    answer = get(client(), f"{COOKIE}={EARLIER}")
    assert seen(answer) == EARLIER
    assert given(answer) == signature().sign(EARLIER)


def test_cookie_with_data_survives_a_new_key() -> None:
    answer = get(client(signature(b"new" * 11)), f"{COOKIE}={signature().sign(EARLIER)}")
    assert seen(answer) == EARLIER
    assert given(answer) == signature(b"new" * 11).sign(EARLIER)


def test_cookies_are_taken_as_they_are_while_the_database_is_not_open() -> None:
    signing = signature(None)
    answer = get(client(signing), f"{COOKIE}={ME}")
    assert seen(answer) == ME
    assert "set-cookie" not in answer.headers, "an unchecked cookie was signed"


def test_cookie_made_before_the_database_is_open_is_valid_after() -> None:
    keys: list[bytes | None] = [None]
    app = client(VisitorSignature(lambda: keys[0], lambda _: False))
    first = given(get(app))
    keys[0] = KEY
    again = get(app, f"{COOKIE}={first}")
    assert first.startswith(seen(again)) and seen(again)
    assert given(again) == signature().sign(seen(again))


def test_https_cookie_has_the_host_prefix_and_replaces_the_plain_one() -> None:
    answer = get(client(), f"{COOKIE}={EARLIER}", **HTTPS)
    assert given(answer, HOST_COOKIE) == signature().sign(EARLIER)
    lines = answer.headers.get_list("set-cookie")  # type: ignore[attr-defined]
    (host_cookie,) = (each for each in lines if each.startswith(HOST_COOKIE))
    assert {"Secure", "Path=/", "HttpOnly"} <= set(host_cookie.split("; "))
    assert "Domain" not in host_cookie
    (plain,) = (each for each in lines if each.startswith(f"{COOKIE}="))
    assert "Max-Age=0" in plain


@pytest.mark.parametrize("order", [1, -1])
def test_cookie_of_a_neighbouring_host_does_not_replace_ours(order: int) -> None:
    ours, theirs = signature().sign(ME), signature().sign(EARLIER)
    cookies = "; ".join([f"{HOST_COOKIE}={ours}", f"{COOKIE}={theirs}"][::order])
    assert seen(get(client(), cookies, **HTTPS)) == ME
    # Without ours, a signed cookie of the neighbour's own needs data as an unsigned one does.
    assert seen(get(client(), f"{COOKIE}={signature().sign(OTHER)}", **HTTPS)) == ""


@pytest.mark.parametrize(
    ("proto", "is_secure"),
    [("https", True), ("HTTPS", True), ("https, http", True), ("http", False), ("", False)],
)
def test_cookie_is_secure_over_https(proto: str, is_secure: bool) -> None:
    cookie = client().get("/", headers={"x-forwarded-proto": proto}).headers["set-cookie"]
    assert cookie.endswith("; Secure") is is_secure
    assert client().get("https://testserver/").headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", True),
        ("/history", True),
        ("/below/usage", True),
        ("/_stcore/health", False),
        ("/below/_stcore/health", False),
        ("/below/static/js/index.js", False),
        ("/media/x", False),
        ("/favicon.png", False),
        ("/healthz", False),
    ],
)
def test_is_page_recognizes_pages(path: str, expected: bool) -> None:
    assert is_page({"type": "http", "method": "GET", "path": path}) is expected
    assert not is_page({"type": "http", "method": "POST", "path": path})
    assert not is_page({"type": "websocket", "path": path})

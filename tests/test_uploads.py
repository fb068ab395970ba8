"""Uploads are bounded before Streamlit keeps them: by visitor, all together, and by the gate."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from server.uploads import Uploads, Window
from server.visitor import COOKIE

MB = 1_000_000
PLACE = "/_stcore/upload_file/session/file"
ME, OTHER = "m" * 43, "o" * 43


def client(**options: object) -> TestClient:
    async def keep(request: Request) -> Response:
        return Response(status_code=204, headers={"x-size": str(len(await request.body()))})

    route = Route("/{rest:path}", keep, methods=["PUT", "POST"])
    return TestClient(Starlette(routes=[route], middleware=[Middleware(Uploads, **options)]))  # type: ignore[arg-type]


def put(app: TestClient, size: int, cookie: str = ME) -> Response:
    cookies = {"cookie": f"{COOKIE}={cookie}"}
    return app.put(PLACE, content=b"x" * size, headers=cookies)  # type: ignore[return-value]


def test_a_visitor_uploads_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    app = client()
    sizes = (600_000, 600_000, 300_000, 2 * MB)
    assert [put(app, size).status_code for size in sizes] == [204, 429, 204, 413]
    assert put(app, 600_000, OTHER).status_code == 204
    assert app.post("/elsewhere", content=b"x" * MB).status_code == 204


def test_a_new_cookie_for_each_upload_does_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    app = client()
    codes = [put(app, MB, f"{number:043}").status_code for number in range(6)]
    assert codes == [204, 204, 204, 204, 429, 429]


def test_after_an_hour_there_is_room_again() -> None:
    now = 0.0
    window = Window(MB, lambda: now)
    assert window.take(ME, MB) and not window.take(ME, 1)
    now = 3599.0
    assert not window.take(ME, 1)
    now = 3600.0
    assert window.take(ME, MB)


def test_small_uploads_have_an_end_too() -> None:
    window = Window(MB, lambda: 0.0)
    assert sum(window.take(ME, 0) for _ in range(100)) == 15


def test_an_upload_of_unknown_size_is_refused() -> None:
    assert client().put(PLACE, content=iter([b"x"])).status_code == 411


def test_who_is_not_let_in_uploads_nothing() -> None:
    app = client(may_upload=lambda cookie: cookie == ME)
    assert put(app, 1).status_code == 204
    assert [put(app, 1, cookie).status_code for cookie in (OTHER, "", "short")] == [403] * 3

"""Uploads are bounded before Streamlit keeps them: by visitor, address, all, and by the gate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from server.upload_limits import Uploads, Window
from server.visitor_cookie import COOKIE

MB = 1_000_000
PLACE = "/_stcore/upload_file/session/file"
ME, OTHER = "m" * 43, "o" * 43


def bounded(**options: object) -> Starlette:
    async def keep(request: Request) -> Response:
        return Response(status_code=204, headers={"x-size": str(len(await request.body()))})

    route = Route("/{rest:path}", keep, methods=["PUT", "POST"])
    return Starlette(routes=[route], middleware=[Middleware(Uploads, **options)])  # type: ignore[arg-type]


def client(app: Starlette | None = None, address: str = "", **options: object) -> TestClient:
    return TestClient(app or bounded(**options), client=(address, 50_000))


def put(app: TestClient, size: int, cookie: str = ME, said: str = "") -> Response:
    headers = {"cookie": f"{COOKIE}={cookie}", **({"x-forwarded-for": said} if said else {})}
    return app.put(PLACE, content=b"x" * size, headers=headers)  # type: ignore[return-value]


async def send(
    app: Starlette, announced: int, parts: list[Callable[[], Awaitable[Message]]], cookie: str = ME
) -> list[int]:
    """One upload, part by part, whatever was announced; with which status it is answered."""
    told = []

    async def receive() -> Message:
        return await parts.pop(0)() if parts else {"type": "http.disconnect"}

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    headers = [
        (b"cookie", f"{COOKIE}={cookie}".encode()),
        (b"content-length", str(announced).encode()),
    ]
    scope = {
        "type": "http",
        "method": "PUT",
        "path": PLACE,
        "headers": headers,
        "query_string": b"",
        "client": None,
    }
    with suppress(ClientDisconnect):
        await app(scope, receive, answer)
    return told


def part(size: int, *, is_last: bool = False) -> Callable[[], Awaitable[Message]]:
    async def give() -> Message:
        return {"type": "http.request", "body": b"x" * size, "more_body": not is_last}

    return give


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


def test_new_cookies_from_one_address_leave_room_for_other_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    app = bounded()
    greedy, other = client(app, "8.8.8.8"), client(app, "9.9.9.9")
    codes = [put(greedy, MB, f"{number:043}").status_code for number in range(6)]
    assert codes == [204, 204, 429, 429, 429, 429]
    assert put(other, MB, OTHER).status_code == 204


def test_behind_a_proxy_the_address_is_the_one_that_it_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    monkeypatch.setenv("TRUSTED_PROXIES", "1")
    app = client(address="10.0.0.1")
    said = [f"{number}.1.1.1, 8.8.8.8" for number in range(3)]  # what stands before it is not
    codes = [put(app, MB, f"{number:043}", told).status_code for number, told in enumerate(said)]
    assert codes == [204, 204, 429]
    assert put(app, MB, OTHER, "9.9.9.9").status_code == 204


def test_a_proxy_that_nobody_told_us_of_keeps_nobody_waiting_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    app = client(address="10.0.0.1")
    codes = [put(app, MB, f"{number:043}", "8.8.8.8").status_code for number in range(4)]
    assert codes == [204] * 4


def test_what_is_announced_and_never_sent_takes_nobodys_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    app = bounded()
    for number in range(20):
        asyncio.run(send(app, MB, [], f"{number:043}"))
    assert put(client(app), MB).status_code == 204


def test_what_came_counts_also_if_the_rest_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    app = bounded()
    asyncio.run(send(app, MB, [part(300_000), part(300_000)]))
    assert put(client(app), 500_000).status_code == 429
    assert put(client(app), 400_000).status_code == 204


def test_uploads_at_the_same_time_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    app = bounded()

    async def another() -> Message:
        assert await send(app, 600_000, [part(600_000, is_last=True)]) == [204]
        return await part(300_000)()

    parts = [part(200_000), another, part(100_000, is_last=True)]
    assert asyncio.run(send(app, 600_000, parts)) == [429]


def test_what_the_server_would_not_take_is_refused_at_once() -> None:
    most = st.get_option("server.maxUploadSize") * 1024 * 1024
    assert asyncio.run(send(bounded(), most + 1, [part(1)])) == [413]
    assert asyncio.run(send(bounded(), most, [part(1, is_last=True)])) == [204]


def test_after_an_hour_there_is_room_again() -> None:
    now = 0.0
    window = Window(lambda: now)
    assert window.take({ME: MB}, MB) and not window.take({ME: MB}, 1)
    assert window.take({OTHER: MB}, MB) and not window.take({OTHER: 2 * MB, ME: MB}, 1)
    now = 3599.0
    assert not window.take({ME: MB}, 1)
    now = 3600.0
    assert window.take({ME: MB}, MB)


def test_small_uploads_have_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_UPLOADS_MB", "1")
    app = client()
    assert [put(app, 1).status_code for _ in range(17)] == [204] * 15 + [429] * 2


def test_an_upload_of_unknown_size_is_refused() -> None:
    assert client().put(PLACE, content=iter([b"x"])).status_code == 411


def test_who_is_not_let_in_uploads_nothing() -> None:
    app = client(may_upload=lambda cookie: cookie == ME)
    assert put(app, 1).status_code == 204
    assert [put(app, 1, cookie).status_code for cookie in (OTHER, "", "short")] == [403] * 3

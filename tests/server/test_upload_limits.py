"""Upload limits per visitor, per address, in total and in memory, and the access check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from chat import read_settings
from server.memory import memory_limit
from server.upload_limits import SlidingWindow, UploadLimits
from server.visitor_cookie import COOKIE

MB = 1_000_000
UPLOAD = "/_stcore/upload_file/session/file"
ME, OTHER = "m" * 43, "o" * 43


def everyone(_cookies: Mapping[str, str], _session: str) -> bool:
    return True


def limited(
    may_upload: Callable[[Mapping[str, str], str], bool] = everyone,
    held: Callable[[], Mapping[str, int]] = dict,
    memory: int = 10_000 * MB,
    **config: str,
) -> Starlette:
    """Return an app that accepts every upload, behind the limits for this configuration."""

    async def keep(request: Request) -> Response:
        return Response(status_code=204, headers={"x-size": str(len(await request.body()))})

    route = Route("/{rest:path}", keep, methods=["PUT", "POST", "DELETE"])
    settings = read_settings(config)
    limits = Middleware(
        UploadLimits, settings=settings, may_upload=may_upload, held=held, memory=memory
    )
    return Starlette(routes=[route], middleware=[limits])


def client(app: Starlette, address: str = "") -> TestClient:
    return TestClient(app, client=(address, 50_000))


def put(app: TestClient, size: int, cookie: str = ME, forwarded_for: str = "") -> Response:
    headers = {"cookie": f"{COOKIE}={cookie}"}
    if forwarded_for:
        headers["x-forwarded-for"] = forwarded_for
    return app.put(UPLOAD, content=b"x" * size, headers=headers)  # type: ignore[return-value]


async def send(
    app: Starlette, announced: int, parts: list[Callable[[], Awaitable[Message]]], cookie: str = ME
) -> list[int]:
    """Upload `parts`, with the announced size; return the status of the response, if any."""
    statuses = []

    async def receive() -> Message:
        return await parts.pop(0)() if parts else {"type": "http.disconnect"}

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [
        (b"cookie", f"{COOKIE}={cookie}".encode()),
        (b"content-length", str(announced).encode()),
    ]
    scope = {
        "type": "http",
        "method": "PUT",
        "path": UPLOAD,
        "headers": headers,
        "query_string": b"",
        "client": None,
    }
    with suppress(ClientDisconnect):
        await app(scope, receive, answer)
    return statuses


def part(size: int, *, is_last: bool = False) -> Callable[[], Awaitable[Message]]:
    async def give() -> Message:
        return {"type": "http.request", "body": b"x" * size, "more_body": not is_last}

    return give


def test_uploads_of_a_visitor_are_limited() -> None:
    app = client(limited(MAX_UPLOADS_MB="1"))
    sizes = (600_000, 600_000, 300_000, 2 * MB)
    assert [put(app, size).status_code for size in sizes] == [204, 429, 204, 413]
    assert put(app, 600_000, OTHER).status_code == 204
    assert app.post("/elsewhere", content=b"x" * MB).status_code == 204


def test_a_new_cookie_for_each_upload_does_not_avoid_the_total_limit() -> None:
    app = client(limited(MAX_UPLOADS_MB="1"))
    codes = [put(app, MB, f"{number:043}").status_code for number in range(6)]
    assert codes == [204, 204, 204, 204, 429, 429]


def test_new_cookies_from_one_address_leave_room_for_other_addresses() -> None:
    app = limited(MAX_UPLOADS_MB="1")
    greedy, other = client(app, "8.8.8.8"), client(app, "9.9.9.9")
    codes = [put(greedy, MB, f"{number:043}").status_code for number in range(6)]
    assert codes == [204, 204, 429, 429, 429, 429]
    assert put(other, MB, OTHER).status_code == 204


def test_address_is_taken_from_a_trusted_proxy() -> None:
    app = client(limited(MAX_UPLOADS_MB="1", TRUSTED_PROXIES="1"), "10.0.0.1")
    # Only the last entry was written by the proxy; the client can forge the others.
    forwarded = [f"{number}.1.1.1, 8.8.8.8" for number in range(3)]
    codes = [
        put(app, MB, f"{number:043}", each).status_code for number, each in enumerate(forwarded)
    ]
    assert codes == [204, 204, 429]
    assert put(app, MB, OTHER, "9.9.9.9").status_code == 204


@pytest.mark.parametrize("forwarded", ["{}.1.1.1", "8.8.8.8, {}.1.1.1", "rubbish {}", "{}"])
def test_made_up_forwarded_address_does_not_avoid_the_limit_of_the_address(forwarded: str) -> None:
    app = client(limited(MAX_UPLOADS_MB="1"), "8.8.8.8")
    codes = [put(app, MB, f"{n:043}", forwarded.format(n)).status_code for n in range(4)]
    assert codes == [204, 204, 429, 429]


def test_announced_bytes_that_never_arrive_are_not_counted() -> None:
    app = limited(MAX_UPLOADS_MB="1")
    for number in range(20):
        asyncio.run(send(app, MB, [], f"{number:043}"))
    assert put(client(app), MB).status_code == 204


def test_bytes_of_an_aborted_upload_are_counted() -> None:
    app = limited(MAX_UPLOADS_MB="1")
    asyncio.run(send(app, MB, [part(300_000), part(300_000)]))
    assert put(client(app), 500_000).status_code == 429
    assert put(client(app), 400_000).status_code == 204


def test_concurrent_uploads_share_one_limit() -> None:
    app = limited(MAX_UPLOADS_MB="1")

    async def another() -> Message:
        assert await send(app, 600_000, [part(600_000, is_last=True)]) == [204]
        return await part(300_000)()

    parts = [part(200_000), another, part(100_000, is_last=True)]
    assert asyncio.run(send(app, 600_000, parts)) == [429]


def test_a_file_larger_than_streamlit_accepts_is_refused_at_once() -> None:
    largest = st.get_option("server.maxUploadSize") * 1024 * 1024
    assert asyncio.run(send(limited(), largest + 1, [part(1)])) == [413]
    assert asyncio.run(send(limited(), largest, [part(1, is_last=True)])) == [204]


def test_sliding_window_has_room_again_after_an_hour() -> None:
    now = 0.0
    window = SlidingWindow(lambda: now)
    assert window.add({ME: MB}, MB) and not window.add({ME: MB}, 1)
    assert window.add({OTHER: MB}, MB) and not window.add({OTHER: 2 * MB, ME: MB}, 1)
    now = 3599.0
    assert not window.add({ME: MB}, 1)
    now = 3600.0
    assert window.add({ME: MB}, MB)


def test_small_uploads_count_with_a_minimum_size() -> None:
    app = client(limited(MAX_UPLOADS_MB="1"))
    assert [put(app, 1).status_code for _ in range(17)] == [204] * 15 + [429] * 2


def test_an_upload_without_content_length_is_refused() -> None:
    assert client(limited()).put(UPLOAD, content=iter([b"x"])).status_code == 411


def test_a_visitor_without_access_cannot_upload() -> None:
    app = client(limited(may_upload=lambda cookies, _: cookies.get(COOKIE) == ME))
    assert put(app, 1).status_code == 204
    assert [put(app, 1, cookie).status_code for cookie in (OTHER, "", "short")] == [403] * 3
    assert app.delete(UPLOAD, headers={"cookie": f"{COOKIE}={OTHER}"}).status_code == 403
    assert app.delete(UPLOAD, headers={"cookie": f"{COOKIE}={ME}"}).status_code == 204


def test_access_is_checked_for_the_session_of_the_upload() -> None:
    sessions: list[str] = []

    def may_upload(_cookies: Mapping[str, str], session: str) -> bool:
        sessions.append(session)
        return session == "session"

    app = client(limited(may_upload=may_upload))
    paths = (UPLOAD, "/_stcore/upload_file/other/file", "/below/_stcore/upload_file/third/file")
    assert [app.put(path, content=b"x").status_code for path in paths] == [204, 403, 403]
    assert sessions == ["session", "other", "third"]


def test_refused_upload_is_read_to_its_end_so_that_browsers_see_the_reason() -> None:
    parts = [part(MB), part(MB), part(MB, is_last=True)]
    app = limited(may_upload=lambda _cookies, _session: False)
    assert asyncio.run(send(app, 3 * MB, parts)) == [403]
    assert not parts


def test_files_in_memory_are_limited_by_the_memory_of_the_host() -> None:
    held = {OTHER: 3 * MB}
    app = client(limited(held=lambda: held, memory=10 * MB))  # 4 MB for all, 2.6 MB for one
    assert [put(app, size).status_code for size in (MB, MB + 1)] == [204, 503]
    held = {}
    assert [put(app, size).status_code for size in (2 * MB, 3 * MB)] == [204, 413]
    held = {ME: 2 * MB}
    assert [put(app, MB).status_code, put(app, MB, OTHER).status_code] == [503, 204]


def test_concurrent_uploads_share_the_memory_of_the_host() -> None:
    app = limited(memory=10 * MB)

    async def another() -> Message:
        parts = [part(2 * MB, is_last=True)]
        assert await send(app, 2 * MB, parts, OTHER) == [204]
        return await part(1_500_000)()

    parts = [part(500_000), another, part(1, is_last=True)]
    assert asyncio.run(send(app, 2_000_001, parts)) == [204]

    async def too_many() -> Message:
        parts = [part(2 * MB), part(500_001, is_last=True)]
        assert await send(app, 1, parts, OTHER) == [503], "more arrived than was announced"
        return await part(1_500_000, is_last=True)()

    assert asyncio.run(send(app, 2 * MB, [part(500_000), part(1_000_000), too_many])) == [503]
    assert put(client(app), 2 * MB).status_code == 204, "an ended upload still counts"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/fs/cgroup/memory.max": "1000"}, 1000),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "2000\n"}, 2000),
        ({"proc/self/cgroup": "0::/unit\n", "sys/fs/cgroup/unit/memory.max": "3000"}, 3000),
        ({"sys/fs/cgroup/memory.max": "4000", "proc/self/cgroup": "0::/\n"}, 4000),
    ],
)
def test_memory_limit_is_that_of_the_container(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory_limit(tmp_path) == expected


@pytest.mark.parametrize("text", ["max\n", "", "9" * 30])
def test_memory_limit_is_that_of_the_machine_without_a_container(tmp_path: Path, text: str) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(text)
    assert memory_limit(tmp_path) == memory_limit(tmp_path / "nothing") > 10 * MB

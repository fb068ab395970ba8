"""Downloads are streamed from disk to the browser they were made for, and to no other."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from server.downloads import Download, DownloadsEndpoint
from tests.support.middleware import middleware, visitor_cookie

ANN, BOB = "a" * 43, "b" * 43
TOKEN = "t" * 43
MB = 1_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "export.zip"
    path.write_bytes(b"0123456789")
    return path


def client(file: Path, name: str = "parley.zip") -> TestClient:
    def may_download(token: str, cookie: str) -> Download | None:
        return Download(file, name) if (token, cookie) == (TOKEN, ANN) else None

    route = Route("/downloads/{token}", DownloadsEndpoint(may_download).answer)
    return TestClient(Starlette(routes=[route], middleware=middleware()))


def get(client: TestClient, token: str = TOKEN, cookie: str = ANN, **headers: str) -> Any:
    if cookie:
        headers["cookie"] = visitor_cookie(cookie)
    return client.get(f"/downloads/{token}", headers=headers)


def test_owner_gets_the_file_as_an_attachment(file: Path) -> None:
    response = get(client(file))
    assert response.status_code == 200
    assert response.content == file.read_bytes()
    headers = response.headers
    assert headers["content-disposition"] == 'attachment; filename="parley.zip"'
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-length"] == "10"
    assert headers["cache-control"] == "private, no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert "set-cookie" not in headers


def deleted(file: Path) -> None:
    file.unlink()


def replaced_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("cookie", [BOB, "", "not-a-visitor-cookie"])
def test_other_browsers_get_the_response_for_an_unknown_token(file: Path, cookie: str) -> None:
    app = client(file)
    unknown, other = get(app, "u" * 43), get(app, TOKEN, cookie)
    assert unknown.status_code == other.status_code == 404
    assert unknown.content == other.content
    assert without_id(unknown) == without_id(other)


@pytest.mark.parametrize("change", [deleted, replaced_by_a_folder])
def test_a_missing_file_gets_the_response_for_an_unknown_token(
    file: Path, change: Callable[[Path], None]
) -> None:
    app = client(file)
    unknown = get(app, "u" * 43)
    change(file)
    missing = get(app)
    assert missing.status_code == 404
    assert missing.content == unknown.content
    assert without_id(missing) == without_id(unknown)


def without_id(response: Any) -> dict[str, str]:
    return {key: value for key, value in response.headers.items() if key != "x-request-id"}


@pytest.mark.parametrize("path", ["/downloads/", "/downloads/../app.py", f"/downloads/{TOKEN}/x"])
def test_other_paths_below_downloads_are_not_found(file: Path, path: str) -> None:
    assert client(file).get(path, headers={"cookie": visitor_cookie(ANN)}).status_code == 404


def test_an_interrupted_download_can_be_resumed(file: Path) -> None:
    response = get(client(file), range="bytes=7-")
    assert (response.status_code, response.content) == (206, b"789")


def test_a_name_with_other_characters_is_encoded(file: Path) -> None:
    response = get(client(file, 'Café "x"\r\n.zip'))
    disposition = response.headers["content-disposition"]
    assert disposition == "attachment; filename*=utf-8''Caf%C3%A9%20%22x%22%0D%0A.zip"


@pytest.mark.slow
def test_a_large_file_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with path.open("wb") as large:
        large.truncate(200 * MB)
    endpoint = DownloadsEndpoint(lambda _token, _cookie: Download(path, "large.zip"))
    app = Starlette(routes=[Route("/downloads/{token}", endpoint.answer)])
    assert stream_to_null(app) == 200 * MB


def stream_to_null(app: Starlette) -> int:
    """Return the size of the response body after checking the peak memory of sending it."""
    size = 0

    async def send(message: Message) -> None:
        nonlocal size
        size += len(message.get("body", b""))

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.4"},
        "method": "GET",
        "path": f"/downloads/{TOKEN}",
        "query_string": b"",
        "headers": [],
    }
    tracemalloc.start()
    try:
        anyio.run(app, scope, receive, send)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * MB
    return size

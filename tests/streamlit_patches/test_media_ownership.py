"""What a page offers to fetch is its visitor's; what is gone is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from pages.streamlit_patches import media_ownership
from server.private_media import PrivateMedia
from server.visitor_cookie import COOKIE

ANN, BOB = "a" * 43, "b" * 43


class Tab:
    """Adds files as the pages of whoever `cookie` says."""

    def __init__(self) -> None:
        self.manager, self.cookie = MediaFileManager(MemoryMediaFileStorage("/media")), ANN

    def shows(self, data: bytes) -> str:
        return media_ownership._noted_add(self.manager, data, "image/png", str(data))

    def offers(self, data: bytes) -> str:
        id_ = media_ownership._noted_add_deferred(
            self.manager, lambda: data, "text/plain", str(data)
        )
        return media_ownership._noted_execute_deferred(self.manager, id_)


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> Tab:
    tab = Tab()
    cookies = property(lambda _: {COOKIE: tab.cookie})
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.cookies", cookies)
    monkeypatch.setattr(media_ownership, "_cookies", {})
    return tab


@pytest.fixture
def client() -> Iterator[TestClient]:
    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        return PlainTextResponse("?" if name == "none" else "words", 404 if name == "none" else 200)

    guard = Middleware(PrivateMedia, may_fetch=media_ownership.may_fetch)
    places = ("/media", "/at/media", "/static/media")
    routes = [Route(f"{place}/{{name:path}}", file) for place in places]
    with TestClient(Starlette(routes=routes, middleware=[guard])) as client:
        yield client


def get(client: TestClient, url: str, cookie: str) -> Response:
    headers = {"cookie": f"{COOKIE}={cookie}"} if cookie else {}
    return client.get(url, headers=headers)  # type: ignore[return-value]


@pytest.mark.parametrize("how", ["shows", "offers"])
def test_a_file_is_only_its_visitors(tab: Tab, client: TestClient, how: str) -> None:
    url = getattr(tab, how)(b"words")
    missing = get(client, "/media/0123.png", ANN)
    for base in ("", "/at"):
        hers = get(client, base + url, ANN)
        assert (hers.status_code, hers.headers["cache-control"]) == (200, "private, no-store")
        for cookie in (BOB, "", "wrong"):
            answer = get(client, base + url, cookie)
            assert (answer.status_code, answer.headers) == (404, missing.headers)


def test_what_belongs_to_the_page_itself_is_for_everybody(client: TestClient) -> None:
    for cookie in (ANN, ""):
        answer = get(client, "/static/media/icons.woff2", cookie)
        assert answer.status_code == 200 and "cache-control" not in answer.headers


def test_two_visitors_may_have_the_same_file(tab: Tab, client: TestClient) -> None:
    url = tab.shows(b"words")
    tab.cookie = BOB
    assert tab.shows(b"words") == url
    assert get(client, url, ANN).status_code == get(client, url, BOB).status_code == 200


def test_no_other_spelling_of_an_address_opens_a_file(tab: Tab, client: TestClient) -> None:
    url = tab.shows(b"words")
    for other in (f"/media/x{url}", url.replace("/media/", "/media//"), url + "/", url + ".png"):
        assert get(client, other, BOB).status_code == 404, other


def test_what_is_gone_is_forgotten(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_ownership, "_SPARE", 3)
    for number in range(50):
        tab.shows(b"%d" % number)
        tab.manager.clear_session_refs("dontcare")
        tab.manager.remove_orphaned_files()
    assert len(media_ownership._cookies) <= 4

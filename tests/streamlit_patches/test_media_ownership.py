"""Images and downloads are served to their visitor only; owners of deleted files are removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from pages.streamlit_patches import media_owners, media_ownership
from pages.streamlit_patches.media_owners import MediaOwners
from server.private_media import PrivateMedia
from server.visitor_cookie import COOKIE
from tests.support import patches

ANN, BOB = "a" * 43, "b" * 43


class Tab:
    """Adds files to the media manager as a page of the visitor with this `cookie` does."""

    def __init__(self) -> None:
        self.manager, self.cookie = MediaFileManager(MemoryMediaFileStorage("/media")), ANN
        self.owners = MediaOwners(lambda: self.cookie)

    def show_image(self, data: bytes) -> str:
        return self.manager.add(data, "image/png", str(data))

    def offer_download(self, data: bytes) -> str:
        file_id = self.manager.add_deferred(lambda: data, "text/plain", str(data))
        return self.manager.execute_deferred(file_id)


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> Tab:
    tab = Tab()
    patches.apply(monkeypatch, media_ownership.replacements(tab.owners))
    return tab


@pytest.fixture
def client(tab: Tab) -> Iterator[TestClient]:
    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        return PlainTextResponse("?" if name == "none" else "words", 404 if name == "none" else 200)

    guard = Middleware(PrivateMedia, may_fetch=tab.owners.may_fetch)
    places = ("/media", "/at/media", "/static/media")
    routes = [Route(f"{place}/{{name:path}}", file) for place in places]
    with TestClient(Starlette(routes=routes, middleware=[guard])) as client:
        yield client


def get(client: TestClient, url: str, cookie: str) -> Response:
    headers = {"cookie": f"{COOKIE}={cookie}"} if cookie else {}
    return client.get(url, headers=headers)  # type: ignore[return-value]


@pytest.mark.parametrize("add", [Tab.show_image, Tab.offer_download])
def test_media_file_is_served_to_its_visitor_only(
    tab: Tab, client: TestClient, add: Callable[[Tab, bytes], str]
) -> None:
    url = add(tab, b"words")
    missing = get(client, "/media/0123.png", ANN)
    for base in ("", "/at"):
        own = get(client, base + url, ANN)
        assert (own.status_code, own.headers["cache-control"]) == (200, "private, no-store")
        for cookie in (BOB, "", "wrong"):
            response = get(client, base + url, cookie)
            assert (response.status_code, response.headers) == (404, missing.headers)


def test_media_file_has_no_owner_without_the_patch(client: TestClient) -> None:
    manager = MediaFileManager(MemoryMediaFileStorage("/media"))
    with pytest.MonkeyPatch.context() as original:
        original.setattr(MediaFileManager, "add", media_ownership._add)
        url = manager.add(b"words", "image/png", "here")
    assert get(client, url, ANN).status_code == 404


def test_static_files_of_the_frontend_are_served_to_everyone(client: TestClient) -> None:
    for cookie in (ANN, ""):
        response = get(client, "/static/media/icons.woff2", cookie)
        assert response.status_code == 200 and "cache-control" not in response.headers


def test_two_visitors_can_own_the_same_file(tab: Tab, client: TestClient) -> None:
    url = tab.show_image(b"words")
    tab.cookie = BOB
    assert tab.show_image(b"words") == url
    assert get(client, url, ANN).status_code == get(client, url, BOB).status_code == 200


def test_other_spellings_of_an_address_are_refused(tab: Tab, client: TestClient) -> None:
    url = tab.show_image(b"words")
    for other in (f"/media/x{url}", url.replace("/media/", "/media//"), url + "/", url + ".png"):
        assert get(client, other, BOB).status_code == 404, other


def test_owners_of_deleted_files_are_removed(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_owners, "_SPARE", 3)
    for number in range(50):
        tab.show_image(b"%d" % number)
        tab.manager.clear_session_refs("dontcare")
        tab.manager.remove_orphaned_files()
    assert len(tab.owners) <= 4

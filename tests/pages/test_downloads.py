"""A page offers a file to the browser that it is drawn for, and to no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.session import downloads, visitor

ANN, BOB, TOKEN = "a" * 43, "b" * 43, "t" * 43


@pytest.fixture(autouse=True)
def no_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_offers", {})


def offer(monkeypatch: pytest.MonkeyPatch, cookie: str, token: str, path: Path) -> str:
    monkeypatch.setattr(visitor, "visitor_cookie", lambda: cookie)
    return downloads.offer(token, path, path.name)


def test_offered_file_is_found_by_its_browser_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "export.zip"
    file.touch()
    assert offer(monkeypatch, ANN, TOKEN, file) == f"/downloads/{TOKEN}"
    found = downloads.find(TOKEN, ANN)
    assert found is not None and (found.path, found.file_name) == (file, "export.zip")
    assert downloads.find(TOKEN, BOB) is downloads.find("u" * 43, ANN) is None
    offer(monkeypatch, BOB, TOKEN, file)  # the owner's page in another browser
    assert downloads.find(TOKEN, BOB) == downloads.find(TOKEN, ANN) == found


def test_offers_of_deleted_files_are_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.zip", tmp_path / "new.zip"
    old.touch()
    new.touch()
    offer(monkeypatch, ANN, "old", old)
    old.unlink()
    offer(monkeypatch, ANN, "new", new)
    assert list(downloads._offers) == ["new"]


def test_url_includes_the_base_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("streamlit.get_option", {"server.baseUrlPath": "/chat/"}.get)
    url = offer(monkeypatch, ANN, TOKEN, tmp_path / "export.zip")
    assert url == f"/chat/downloads/{TOKEN}"

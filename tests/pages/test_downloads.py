"""A page offers a file to the browser that it is drawn for, and to no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.session import downloads, visitor

ANN, BOB = "a" * 43, "b" * 43


@pytest.fixture(autouse=True)
def no_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_offers", {})


def offer(monkeypatch: pytest.MonkeyPatch, cookie: str, path: Path) -> str:
    """Offer the file in the browser with this cookie; return the token."""
    monkeypatch.setattr(visitor, "visitor_cookie", lambda: cookie)
    return downloads.offer(path, path.name).removeprefix("/downloads/")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "export.zip"
    path.touch()
    return path


def test_prepared_file_is_served_only_to_the_browser_it_was_offered_to(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    token = offer(monkeypatch, ANN, file)
    assert len(token) == 43
    found = downloads.find(token, ANN)
    assert found is not None and (found.path, found.file_name) == (file, "export.zip")
    assert downloads.find(token, BOB) is downloads.find("u" * 43, ANN) is None
    assert offer(monkeypatch, BOB, file) == token, "the owner's page in another browser"
    assert downloads.find(token, BOB) == downloads.find(token, ANN) == found


def test_offers_of_deleted_files_are_removed(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    old = offer(monkeypatch, ANN, file)
    file.unlink()
    (file.parent / "new.zip").touch()
    new = offer(monkeypatch, ANN, file.parent / "new.zip")
    assert downloads.find(old, ANN) is None and downloads.find(new, ANN) is not None


def test_url_includes_the_base_path(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr("streamlit.get_option", {"server.baseUrlPath": "/chat/"}.get)
    assert offer(monkeypatch, ANN, file).startswith("/chat/downloads/")

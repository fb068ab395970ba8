"""The folder `pages/` does not make Streamlit look for page scripts in it."""

from __future__ import annotations

import pytest
from streamlit.runtime.pages_manager import PagesManager

from pages.streamlit_patches import pages_directory
from tests.support.app_server import ROOT


@pytest.mark.parametrize("is_patched", [True, False])
def test_pages_directory_is_ignored_only_with_the_patch(
    monkeypatch: pytest.MonkeyPatch, is_patched: bool
) -> None:
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    if is_patched:
        pages_directory.ignore_pages_directory()
    PagesManager(str(ROOT / "app.py"))
    assert PagesManager.uses_pages_directory is not is_patched

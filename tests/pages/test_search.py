"""Tests for the messages of a search without results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.session import process

APP = str(Path(__file__).parents[2] / "app.py")
NO_WORDS = "Only words and numbers can be searched"


@pytest.fixture
def page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_database_url: str
) -> Iterator[AppTest]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", any_database_url)
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    process.reset()
    yield AppTest.from_file(APP, default_timeout=20).run()
    process.chat_service().close()
    process.reset()


def captions(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(caption.value for caption in page.caption)


@pytest.mark.parametrize("key", ["search_text", "history_search"])
def test_query_without_words_is_distinguished_from_no_results(page: AppTest, key: str) -> None:
    if key == "search_text":
        page.button(key="search").click().run()
    else:
        page.switch_page("pages/screens/history.py").run()
    for typed in ("🚀", "C++", "model:", "❤️ → "):
        page.text_input(key=key).set_value(typed).run()
        assert (NO_WORDS in captions(page)) == (typed != "C++"), typed
        assert ("Nothing found." in captions(page)) == (typed == "C++"), typed
    page.text_input(key=key).set_value("  ").run()
    assert "Nothing found." not in captions(page)

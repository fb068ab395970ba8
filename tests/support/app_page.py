"""Helpers for tests that render the pages with AppTest."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

APP = str(Path(__file__).parents[2] / "app.py")
VISITOR = "ada"
OWNER = "visitor:" + hashlib.sha256(VISITOR.encode()).hexdigest()[:40]

OpenPage = Callable[..., AppTest]


def send(page: AppTest, text: str) -> AppTest:
    """Submit a message and run the page until its reply is complete."""
    return page.chat_input(key="composer").set_value(text).run()


def conversation(page: AppTest) -> str:
    """Return the id of the conversation in view."""
    found = page.query_params["c"]
    return found if isinstance(found, str) else str(found[0])


def texts(page: AppTest) -> list[str]:
    """Return the first Markdown element of each message, unescaped."""
    assert not page.exception
    found = [[text.value for text in each.markdown] for each in page.chat_message]
    return [unescaped(parts[0]) if parts else "" for parts in found]


def unescaped(markdown: str) -> str:
    return re.sub(r"\\([^\w\s])", r"\1", markdown)


def keys(page: AppTest, kind: str) -> list[str]:
    """Return the keys `<kind>_<id>` of buttons, in page order."""
    found = (button.key or "" for button in page.button)
    return [key for key in found if re.fullmatch(rf"{kind}_[0-9a-f]+", key)]


def all_text(page: AppTest) -> str:
    """Return all text on the page except for button labels, unescaped."""
    kinds = (page.markdown, page.caption, page.warning, page.error, page.text)
    return "\n".join(unescaped(str(each.value)) for kind in kinds for each in kind)


def runs_follow_immediately(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every run appear to follow the previous one at once, in the same thread."""
    thread = threading.current_thread()
    monkeypatch.setattr("pages.session.tab_state.current_thread", lambda: thread)

"""A session is resumed by its own visitor only, and gives its open files back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from pages.streamlit_patches import session_ownership
from tests.support import patches
from tests.support.app_server import ROOT

pytestmark = pytest.mark.slow

ANN, BOB = "a" * 43, "b" * 43
SIGNED_IN: dict[str, Any] = {"is_logged_in": True, "sub": "1"}


class Sessions:
    """Streamlit's session manager, with clients that have chosen cookies."""

    def __init__(self) -> None:
        self.manager = WebsocketSessionManager(
            MemorySessionStorage(), MemoryUploadedFileManager("/upload"), ScriptCache(), None
        )

    def connect(self, cookie: str, existing: str | None = None, **user: Any) -> str:
        context = SimpleNamespace(cookies={"visitor": cookie} if cookie else {}, headers=[])
        client: Any = SimpleNamespace(client_context=context)
        script = ScriptData(str(ROOT / "app.py"), is_hello=False)
        return self.manager.connect_session(client, script, user, existing)


def run(monkeypatch: pytest.MonkeyPatch, test: Callable[[Sessions], None]) -> None:
    patches.apply(monkeypatch, session_ownership.replacements("visitor"))

    async def on_loop() -> None:
        sessions = Sessions()
        test(sessions)
        for each in sessions.manager.list_sessions():
            sessions.manager.close_session(each.session.id)

    asyncio.run(on_loop())


@pytest.mark.parametrize("is_connected", [True, False])
@pytest.mark.parametrize("user", [{}, SIGNED_IN])
def test_own_session_is_resumed(
    monkeypatch: pytest.MonkeyPatch, is_connected: bool, user: dict[str, Any]
) -> None:
    def test(sessions: Sessions) -> None:
        mine = sessions.connect(ANN, **user)
        if not is_connected:
            sessions.manager.disconnect_session(mine)
        assert sessions.connect(ANN, mine, **user) == mine

    run(monkeypatch, test)


@pytest.mark.parametrize("is_connected", [True, False])
@pytest.mark.parametrize("thief", ["", BOB, ANN[:-1], "x"])
@pytest.mark.parametrize("owner", [ANN, ""])
def test_session_of_another_browser_is_not_resumed(
    monkeypatch: pytest.MonkeyPatch, is_connected: bool, thief: str, owner: str
) -> None:
    def test(sessions: Sessions) -> None:
        theirs = sessions.connect(owner)
        if not is_connected:
            sessions.manager.disconnect_session(theirs)
        assert sessions.connect(thief, theirs) != theirs
        assert sessions.manager.is_active_session(theirs) is is_connected, "it was disconnected"

    run(monkeypatch, test)


def test_session_of_another_account_of_the_browser_is_not_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def test(sessions: Sessions) -> None:
        first = sessions.connect(ANN, **SIGNED_IN)
        assert sessions.connect(ANN, first) != first
        assert sessions.connect(ANN, first, **{**SIGNED_IN, "sub": "2"}) != first
        sessions.manager.mark_session_nonresumable(first)
        assert sessions.connect(ANN, first, **SIGNED_IN) != first

    run(monkeypatch, test)


def test_session_ids_are_not_logged(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def test(sessions: Sessions) -> None:
        first = sessions.connect(ANN, **SIGNED_IN)
        sessions.connect(ANN, first, **SIGNED_IN)
        sessions.connect(ANN, first)
        sessions.connect(BOB, first)
        sessions.manager.mark_session_nonresumable(first)
        sessions.connect(ANN, first, **SIGNED_IN)
        sessions.connect(ANN, "made-up")
        assert first not in "".join(capfd.readouterr())

    run(monkeypatch, test)


def test_disconnected_sessions_of_a_visitor_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    def test(sessions: Sessions) -> None:
        mine = [sessions.connect(ANN) for _ in range(34)]
        theirs = sessions.connect(BOB)
        for each in [theirs, *mine]:
            sessions.manager.disconnect_session(each)
        kept = {each.session.id for each in sessions.manager.list_sessions()}
        assert kept == {theirs, *mine[-30:]}

    run(monkeypatch, test)


def test_disconnected_session_gives_its_open_files_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def test(sessions: Sessions) -> None:
        mine = sessions.connect(ANN)
        info = sessions.manager.get_session_info(mine)
        assert info is not None
        for _ in range(2):
            sessions.manager.disconnect_session(mine)
            assert info.session._script_event_loop.is_closed()
            assert sessions.connect(ANN, mine) == mine
            assert not info.session._script_event_loop.is_closed()

    run(monkeypatch, test)


def test_session_that_nobody_can_resume_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def test(sessions: Sessions) -> None:
        session_id = sessions.connect("")
        info = sessions.manager.get_session_info(session_id)
        assert info is not None
        sessions.manager.disconnect_session(session_id)
        assert sessions.manager.list_sessions() == []
        assert info.session._script_event_loop.is_closed(), "its open files were kept"

    run(monkeypatch, test)

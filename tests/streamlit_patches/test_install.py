"""`install` applies all patches or none, and says why Parley refuses another Streamlit."""

from __future__ import annotations

import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.runtime.app_session import AppSession
from streamlit.testing.v1 import AppTest

from chat import SettingsError
from pages.session import process
from pages.streamlit_patches import (
    atomic_callbacks,
    install,
    media_ownership,
    message_filter,
    rerun_queue,
    secrets_errors,
    session_ownership,
    websocket_messages,
)
from pages.streamlit_patches.media_owners import MediaOwners
from pages.streamlit_patches.replacement import Replacement
from tests.support.app_server import ROOT, AppServer

REPLACEMENTS = [
    *atomic_callbacks.replacements(),
    *media_ownership.replacements(MediaOwners(str)),
    *message_filter.replacements(),
    *rerun_queue.replacements("complete_run"),
    *secrets_errors.replacements(),
    *session_ownership.replacements("cookie"),
    *websocket_messages.replacements(),
]


@pytest.fixture(autouse=True)
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore Streamlit's methods and the result of `install` after the test."""
    monkeypatch.setattr(install, "_patches", None)
    for each in REPLACEMENTS:
        monkeypatch.setattr(each.owner, each.name, getattr(each.owner, each.name))


def do_install() -> str:
    return install.install(str, "cookie", "complete_run").problem


@pytest.mark.parametrize("replacement", REPLACEMENTS, ids=str)
def test_installed_streamlit_has_the_expected_signature(replacement: Replacement) -> None:
    assert replacement.has_expected_signature
    assert not replace(replacement, parameters=("other",)).has_expected_signature
    assert not replace(replacement, name="no_such_method").has_expected_signature


def test_install_replaces_the_methods_once() -> None:
    first = install.install(str, "cookie", "complete_run")
    assert first.problem == install.problem() == ""
    assert AppSession._clear_queue is rerun_queue._keep_queue
    assert install.install(str, "cookie", "another") is first


@pytest.mark.parametrize("version", ["1.66.0", "1.68.0", "1.670.0", "2.0"])
def test_another_version_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(st, "__version__", version)
    before = AppSession._clear_queue
    expected = f"Parley needs Streamlit 1.67, but {version} is installed."
    assert do_install().startswith(expected)
    assert AppSession._clear_queue is before


def test_a_changed_signature_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def _clear_queue(session: AppSession) -> None: ...

    monkeypatch.setattr(AppSession, "_clear_queue", _clear_queue)
    assert "differs from the release in AppSession._clear_queue." in do_install()
    assert AppSession._clear_queue is _clear_queue


def test_a_missing_private_module_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "pages.streamlit_patches.rerun_queue")
    monkeypatch.delattr("pages.streamlit_patches.rerun_queue")
    monkeypatch.delattr("streamlit.runtime.forward_msg_queue._update_script_finished_message")
    assert "_update_script_finished_message" in do_install()


def test_page_shows_the_sentence_instead_of_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "__version__", "1.68.0")
    sentence = do_install()
    page = AppTest.from_file(str(ROOT / "app.py")).run()
    assert [str(each.value) for each in page.error] == [sentence]
    assert not page.exception and not page.chat_input


@pytest.mark.slow
def test_server_starts_and_logs_the_sentence_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import streamlit; streamlit.__version__ = '1.68.0'")
    with AppServer(tmp_path, PYTHONPATH=str(tmp_path)) as app:
        with urllib.request.urlopen(app.url) as page:
            assert page.status == 200
        app.terminate()
    assert "Parley needs Streamlit 1.67, but 1.68.0 is installed." in app.log()
    assert "Traceback" not in app.log()


def test_service_is_not_opened_on_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "__version__", "1.68.0")
    sentence = do_install()
    process.reset()
    with pytest.raises(SettingsError) as caught:
        process.chat_service()
    assert caught.value.problems == (sentence,)

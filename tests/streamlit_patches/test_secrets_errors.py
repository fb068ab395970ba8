"""The app names a secrets file that cannot be read, and shows no screen."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.app_server import AppServer


def readiness(app: AppServer) -> str:
    try:
        with urllib.request.urlopen(f"{app.url}/readyz") as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as response:
        with response:
            return str(response.read().decode())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"# gr\xfc\xdfe\n[auth]\n", "secrets.toml is not UTF-8 (line 1): save it as UTF-8"),
        (b"[auth\n", "secrets.toml cannot be read: Expected"),
    ],
    ids=["Latin-1", "not TOML"],
)
@pytest.mark.slow
def test_unreadable_secrets_file_is_reported_with_all_other_problems(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    app = AppServer(tmp_path, MAX_FILES="many")
    app.write_secrets("")
    (tmp_path / ".streamlit" / "secrets.toml").write_bytes(content)  # in the home folder
    with app:
        while (status := readiness(app)) == "starting":
            pass
        assert status == "settings"
        with urllib.request.urlopen(app.url) as page:
            assert page.status == 200
        app.wait_for_log(problem)
        app.wait_for_log("MAX_FILES should be a whole number")

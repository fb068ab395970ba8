"""A secrets file that cannot be read, wherever it lies, is told by the app and opens no door."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.app_server import AppServer


def readiness(app: AppServer) -> str:
    try:
        with urllib.request.urlopen(f"{app.url}/readyz") as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused:
        with refused:
            return str(refused.read().decode())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"# gr\xfc\xdfe\n[auth]\n", "secrets.toml is not UTF-8 (line 1): save it as UTF-8"),
        (b"[auth\n", "secrets.toml cannot be read: Expected"),
    ],
    ids=["Latin-1", "no TOML"],
)
def test_the_app_says_which_file_cannot_be_read_and_what_else_is_wrong(
    tmp_path: Path, content: bytes, told: str
) -> None:
    app = AppServer(tmp_path, MAX_FILES="many")
    app.write_secrets("")
    (tmp_path / ".streamlit" / "secrets.toml").write_bytes(content)  # below the home folder
    with app:
        while (answer := readiness(app)) == "starting":
            pass
        assert answer == "settings"
        with urllib.request.urlopen(app.url) as page:
            assert page.status == 200
        app.wait_for_log(told)
        app.wait_for_log("MAX_FILES should be a whole number")

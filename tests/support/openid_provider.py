"""A local OpenID provider in a child process.

Its sign-in page has one button for each user and asks for no password.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request

from playwright.sync_api import Page

from tests.support.app_server import free_port

COOKIE_SECRET = "a secret of at least thirty-two characters"


class OpenIDProvider:
    """`with OpenIDProvider(ann="ann@x.example") as provider:` — keyword: subject, value: email."""

    def __init__(self, **people: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._people = people
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def secrets(self) -> str:
        """The secrets file of an app that signs in with this provider, as TOML."""
        return f"""
[auth]
redirect_uri = "http://localhost:{{port}}/oauth2callback"
cookie_secret = "{COOKIE_SECRET}"
client_id = "parley"
client_secret = "parley's secret"
server_metadata_url = "{self.url}/.well-known/openid-configuration"
"""

    def __enter__(self) -> OpenIDProvider:
        command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"]
        command += ["--port", str(self.port)]
        for subject, email in self._people.items():
            command += ["--user-claims", json.dumps({"sub": subject, "email": email})]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        return self

    def wait(self) -> None:
        """Wait until the provider answers; raises `AssertionError` after 30 seconds."""
        pause = threading.Event()
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{self.url}/jwks", timeout=1):
                    return
            except OSError:
                pause.wait(0.1)
        raise AssertionError("the provider did not start")

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def choose(self, page: Page, subject: str) -> None:
        """Press the user's button on the provider's sign-in page."""
        page.get_by_role("button", name=subject, exact=True).first.click()

    def confirm_sign_out(self, page: Page) -> None:
        page.get_by_role("button", name="End session").click()

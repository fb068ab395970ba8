"""Base classes for the apps under test: start a server process, wait for its port, stop it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TMPDIR")


class Server:
    """A server process: `with App(provider_url) as app:` provides `app.url` and `app.pid`.

    Each start uses an empty folder.
    """

    name = "app"
    packages: tuple[str, ...] = ()  # packages to report the versions of
    box = "textarea"  # selector of the text field
    settled = ""  # selector of an element that appears once the page is usable
    answers_at = "/"
    environment_name = ""  # key in `environments.PINNED`; empty: this environment

    def __init__(self, provider_url: str) -> None:
        self.provider_url = provider_url
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._folder: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def versions(self) -> dict[str, str]:
        found = {}
        for package in self.packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = "?"
        return found

    @property
    def folder(self) -> Path:
        """The app's working folder, created on first access."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"parley-bench-{self.name.split()[0]}-"))
        return self._folder

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def prepare(self) -> None:
        """Create what exists at every start except the first, such as the database."""

    def launch(self) -> None:
        """Start the process without waiting for it."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment = {
            **inherited,
            "HOME": str(self.folder),
            "OPENAI_BASE_URL": self.provider_url,
            "OPENAI_API_KEY": "bench",
            **self.environment(),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float = 120) -> None:
        """Wait until the server answers. Raises `RuntimeError` if it exits or does not answer."""
        by = time.monotonic() + seconds
        while time.monotonic() < by:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} exited at startup:\n{self.log()}")
            try:
                with urlopen(f"http://127.0.0.1:{self.port}{self.answers_at}", timeout=2) as got:
                    if got.status == 200:
                        return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not answer:\n{self.log()}")

    def stop(self) -> None:
        """Stop the process and its children, and delete its folder."""
        process, self.process = self.process, None
        if process is None:
            return
        for how in (signal.SIGINT, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, how)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    continue
        process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Server:
        self.launch()
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class StreamlitServer(Server):
    """Base class for Streamlit apps; runs `script`."""

    script = ROOT / "app.py"
    packages = ("streamlit", "openai")
    box = '[data-testid="stChatInput"] textarea'
    settled = '[data-testid="stApp"][data-test-script-state="notRunning"]'
    answers_at = "/_stcore/health"

    def command(self) -> list[str]:
        options = {
            "server.port": str(self.port),
            "server.address": "127.0.0.1",
            "server.headless": "true",
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
        }
        command = [sys.executable, "-m", "streamlit", "run", str(self.script)]
        for name, value in options.items():
            command += [f"--{name}", value]
        return command


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

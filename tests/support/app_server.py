"""The real app in a process of its own, for browser tests and benchmarks.

It can be killed without warning and started again at the same address with the same database.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")


class AppServer:
    """`with AppServer(folder, OPENAI_BASE_URL=…) as app:` — `app.url`. It writes to `folder`."""

    script = ROOT / "app.py"
    new_database: Callable[[Path], str] = staticmethod(lambda file: f"sqlite:///{file}")

    def __init__(self, folder: Path, **config: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.database = folder / "parley.db"  # where there is a file
        self.database_url = config.get("DATABASE_URL") or self.new_database(self.database)
        self._log = folder / "app.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "HOME": str(folder),
            "DATABASE_URL": self.database_url,
            "FIND_LOCAL_SERVERS": "false",
            "PYTHONUNBUFFERED": "1",
            **config,
        }

    def write_secrets(self, toml: str) -> None:
        """A secrets file for the next start; Streamlit also looks for one in the home folder."""
        file = self._log.parent / ".streamlit" / "secrets.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(toml, "utf-8")

    def start(self) -> None:
        """Start, and come back when it answers."""
        options = {
            "port": str(self.port),
            "address": "127.0.0.1",
            "headless": "true",
            "fileWatcherType": "none",
        }
        command = [sys.executable, "-m", "streamlit", "run", str(self.script)]
        for name, value in options.items():
            command += [f"--server.{name}", value]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        pause = threading.Event()
        for _ in range(600):
            if self._process.poll() is not None:
                raise AssertionError(f"the app ended at once:\n{self.log()}")
            if self._answers():
                return
            pause.wait(0.1)
        raise AssertionError(f"the app did not start within a minute:\n{self.log()}")

    def kill(self) -> None:
        """End it as a power cut would (`kill -9`)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as Ctrl+C would, by force if it does not."""
        self._end(signal.SIGINT)

    def terminate(self) -> float:
        """End it as a host does (SIGTERM); the seconds that took."""
        began = time.monotonic()
        self._end(signal.SIGTERM)
        return time.monotonic() - began

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """All it has written to its console, over all starts."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def wait_for_log(self, text: str) -> None:
        """Wait until `text` is in the log; raises `AssertionError` after 20 seconds."""
        pause = threading.Event()
        for _ in range(400):
            if text in self.log():
                return
            pause.wait(0.05)
        raise AssertionError(f"{text!r} was not logged:\n{self.log()}")

    def __enter__(self) -> AppServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

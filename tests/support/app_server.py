"""Runner for the real app in a child process, for browser tests and benchmarks.

The process can be killed and restarted at the same address with the same database.
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
    """`with AppServer(folder, OPENAI_BASE_URL=…) as app:` — `app.url`. Data is in `folder`."""

    script = ROOT / "app.py"
    launcher: tuple[str, ...] = ()  # a program that runs the command that follows
    new_database: Callable[[Path], str] = staticmethod(lambda file: f"sqlite:///{file}")

    def __init__(self, folder: Path, **config: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.database = folder / "parley.db"  # unused with another DATABASE_URL
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
        """Write the secrets file for the next start, in the process's home folder."""
        file = self._log.parent / ".streamlit" / "secrets.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(toml, "utf-8")

    def start(self) -> None:
        """Start the process and wait until it answers; `AssertionError` after a minute."""
        options = {
            "port": str(self.port),
            "address": "127.0.0.1",
            "headless": "true",
            "fileWatcherType": "none",
        }
        command = [*self.launcher, sys.executable, "-m", "streamlit", "run", str(self.script)]
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
        """Kill the process with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Interrupt the process as Ctrl+C does; kill it if it is still running after 15 seconds."""
        self._end(signal.SIGINT)

    def terminate(self) -> float:
        """Send SIGTERM as a host does; return the seconds until the process exited."""
        return self._timed_end(signal.SIGTERM)

    def hang_up(self) -> float:
        """Send SIGHUP as a closing terminal does; return the seconds until the process exited."""
        return self._timed_end(signal.SIGHUP)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """Return the console output of all starts."""
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

    def _timed_end(self, how: signal.Signals) -> float:
        began = time.monotonic()
        self._end(how)
        return time.monotonic() - began

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
    """Return a TCP port that is free on the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

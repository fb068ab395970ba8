"""A real HAProxy in front of two apps, with the configuration in deploy/."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from tests.support.app_server import ROOT, free_port

CONFIG = ROOT / "deploy" / "haproxy.cfg"
COOKIE = "parley_process"  # "one" or "two"
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def haproxy() -> str:
    """Return the path of the HAProxy executable; fail the test if it is not installed."""
    found = shutil.which("haproxy", path=_PATH)
    if found is None:
        pytest.fail(
            "This test needs HAProxy, which is not installed. Install it (for example: apt-get "
            'install haproxy), or leave the browser tests out with -m "not browser".',
            pytrace=False,
        )
    return found


class Proxy:
    """`with Proxy(folder, first_port, second_port) as proxy:` — `proxy.url`."""

    def __init__(self, folder: Path, *ports: int, config: Path = CONFIG) -> None:
        self._config = config
        self._port = free_port()
        self.url = f"http://localhost:{self._port}"
        self._log = folder / "haproxy.log"
        self._environment = {"BIND": f"127.0.0.1:{self._port}"}
        for number, port in enumerate(ports, start=1):
            self._environment[f"PARLEY_{number}"] = f"127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def __enter__(self) -> Proxy:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [haproxy(), "-db", "-f", str(self._config)],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        pause = threading.Event()
        for _ in range(200):
            assert self._process.poll() is None, self.log()
            if self._answers():
                return self
            pause.wait(0.05)
        raise AssertionError(f"the proxy did not start within ten seconds:\n{self.log()}")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

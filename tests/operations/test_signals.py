"""Signals that end the process call the shutdown first, then the handler of the server."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
from pages.shell.shutdown import on_signal

if sys.argv[2] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
for each in (signal.SIGTERM, signal.SIGINT):
    signal.signal(each, lambda number, _: print("server", signal.Signals(number).name))
with on_signal(lambda: print("saved")):
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
print("done")
os.kill(os.getpid(), signal.SIGHUP)
print("ignored")
"""


@pytest.mark.parametrize(
    ("name", "how", "lines", "code"),
    [
        ("SIGTERM", "", ["saved", "server SIGTERM", "done"], -signal.SIGHUP),
        ("SIGINT", "", ["saved", "server SIGINT", "done"], -signal.SIGHUP),
        ("SIGHUP", "", ["saved", "server SIGTERM", "done"], -signal.SIGHUP),
        ("SIGTERM", "nohup", ["saved", "server SIGTERM", "done", "ignored"], 0),
        ("SIGHUP", "nohup", ["done", "ignored"], 0),
    ],
)
def test_signal_saves_before_the_server_ends(
    name: str, how: str, lines: list[str], code: int
) -> None:
    command = [sys.executable, "-u", "-c", PROGRAM, name, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == lines, done.stderr
    assert done.returncode == code

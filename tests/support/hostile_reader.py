"""A reader that misbehaves, to test the sandbox. Run it in the sandbox only."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Output = tuple[dict[str, Any], bytes]


def read(data: bytes, options: dict[str, Any]) -> Output:
    actions: dict[str, Callable[[bytes], Output]] = {
        "loop": loop,
        "exhaust memory": exhaust_memory,
        "oversized output": lambda data: ({}, bytes(100_000_000)),
        "crash": lambda data: os.abort(),
        "exit": lambda data: os._exit(0),
        "print": print_text,
        "echo": lambda data: ({"size": len(data)}, data),
        "show environment": show_environment,
        "escape": escape,
    }
    return actions[options["action"]](data)


def loop(data: bytes) -> Output:
    while True:
        pass


def exhaust_memory(data: bytes) -> Output:
    blocks = []
    while True:
        blocks.append(bytearray(10_000_000))


def print_text(data: bytes) -> Output:
    sys.stdout.write("This is not the output.")
    return {"is": "the output"}, b""


def show_environment(data: bytes) -> Output:
    """Return the environment as seen by Python, and by the system as the content."""
    system = Path("/proc/self/environ")
    inherited = system.read_bytes() if system.exists() else b""
    return {"environment": dict(os.environ), "folder": os.getcwd()}, inherited


def escape(data: bytes) -> Output:
    """Try to write to the folder named by `data` and to leave the process.

    Return the attempts that succeeded.
    """
    folder = Path(data.decode())
    attempts: dict[str, Callable[[], object]] = {
        "write": lambda: (folder / "written").write_bytes(b"x"),
        "create": lambda: os.open(folder / "created", os.O_CREAT | os.O_RDWR),
        "delete": lambda: (folder / "here").unlink(),
        "rename": lambda: (folder / "here").rename(folder / "there"),
        "make a folder": lambda: (folder / "made").mkdir(),
        "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
        "look up a name": lambda: socket.getaddrinfo("localhost", 80),
        "run": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        "run in a shell": lambda: os.system("true"),
        "fork": os.fork,
        # SQLite writes without Python, so only RLIMIT_FSIZE can prevent it.
        "write from C": lambda: _fill_database(folder / "database"),
    }
    done = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except (OSError, sqlite3.Error):
            continue
        done.append(name)
    return {"done": done}, b""


def _fill_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table t (x)")

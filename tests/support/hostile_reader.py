"""A reader that does what no reader may, to see that it cannot. It runs only in the sandbox."""

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

Answer = tuple[dict[str, Any], bytes]


def read(data: bytes, options: dict[str, Any]) -> Answer:
    acts: dict[str, Callable[[bytes], Answer]] = {
        "loop": loop,
        "hoard": hoard,
        "flood": lambda data: ({}, bytes(100_000_000)),
        "crash": lambda data: os.abort(),
        "leave": lambda data: os._exit(0),
        "chatter": chatter,
        "echo": lambda data: ({"size": len(data)}, data),
        "look around": look_around,
        "reach out": reach_out,
    }
    return acts[options["do"]](data)


def loop(data: bytes) -> Answer:
    while True:
        pass


def hoard(data: bytes) -> Answer:
    hoarded = []
    while True:
        hoarded.append(bytearray(10_000_000))


def chatter(data: bytes) -> Answer:
    sys.stdout.write("This is not the answer.")
    return {"is": "the answer"}, b""


def look_around(data: bytes) -> Answer:
    """The environment as Python has it, and as the system has it."""
    system = Path("/proc/self/environ")
    inherited = system.read_bytes() if system.exists() else b""
    return {"environment": dict(os.environ), "folder": os.getcwd()}, inherited


def reach_out(data: bytes) -> Answer:
    """Tries to leave a trace in the folder named by `data`; tells what was not refused."""
    folder = Path(data.decode())
    tries: dict[str, Callable[[], object]] = {
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
        # This one writes without Python: only the system's limit stands in its way.
        "write from C": lambda: _fill_database(folder / "database"),
    }
    done = []
    for name, attempt in tries.items():
        try:
            attempt()
        except (OSError, sqlite3.Error):
            continue
        done.append(name)
    return {"done": done}, b""


def _fill_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table t (x)")

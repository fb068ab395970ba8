"""A reader that misbehaves, to test the sandbox. Run it in the sandbox only."""

from __future__ import annotations

import ctypes
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

Output = tuple[dict[str, Any], bytes]

# Read before the process is confined, as is the C library, which an exploit could call directly.
_SYSTEM_ENVIRONMENT = Path("/proc/self/environ")
_INHERITED = _SYSTEM_ENVIRONMENT.read_bytes() if _SYSTEM_ENVIRONMENT.exists() else b""
_LIBC = ctypes.CDLL(None) if sys.platform != "win32" else None
_CALLS = {name: getattr(_LIBC, name) for name in ("open", "ptrace", "socket", "kill", "fork")}


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
        "read paths": read_paths,
        "call the kernel": call_kernel,
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
    return {"environment": dict(os.environ), "folder": os.getcwd()}, _INHERITED


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


def read_paths(data: bytes) -> Output:
    """Try to read the files and folders in `data`, one path a line, and to find them from C.

    Return the paths that could be read.
    """
    found = []
    for path in data.decode().splitlines():
        with suppress(OSError):
            os.listdir(path) if path.endswith("/") else Path(path).read_bytes()
            found.append(path)
            continue
        if _CALLS["open"](path.encode(), os.O_RDONLY) >= 0:
            found.append(f"{path} from C")
    return {"found": found}, b""


def call_kernel(data: bytes) -> Output:
    """Call the C library directly, as code in an exploited parser would; `data` names a process.

    Return the calls that succeeded.
    """
    parent, attach = int(data), 16
    unix, stream, datagram = socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM
    calls: dict[str, tuple[str, tuple[int, ...]]] = {
        "attach to the parent": ("ptrace", (attach, parent, 0, 0)),
        "TCP socket": ("socket", (socket.AF_INET, stream, 0)),
        "UDP socket": ("socket", (socket.AF_INET, datagram, 0)),
        "IPv6 socket": ("socket", (socket.AF_INET6, datagram, 0)),
        "Unix socket": ("socket", (unix, stream, 0)),
        "signal the parent": ("kill", (parent, 0)),
    }
    done = [name for name, (call, arguments) in calls.items() if _CALLS[call](*arguments) >= 0]
    if (child := _CALLS["fork"]()) == 0:
        os._exit(0)
    return {"done": [*done, "fork"] if child > 0 else done}, b""


def _fill_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table t (x)")

"""Runs a reader of untrusted bytes in a process of its own that can be killed at any moment.

The child gets the bytes and nothing else: no environment, no writable disk, little memory, little
time. What it sends back is bounded, and to be judged like anything from outside. It knows how to
confine a reader, and nothing of what readers do.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import orjson

log = logging.getLogger(__name__)

PROBLEMS = frozenset({"encrypted", "unreadable", "too_complex", "no_text"})
# All a child inherits: what the system needs to start a program. Anything else may be a key.
ENVIRONMENT = ("SystemRoot", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_ROOT = Path(__file__).parents[2]
_MOST_BACK = 64_000_000  # bytes
_AT_ONCE = threading.BoundedSemaphore(3)
# The limits come first: nothing that reads files is imported before they hold.
_BEGIN = """
import json, sys
job = json.loads(sys.argv[1])
sys.path[:] = job["path"]
from readers.limits import confine
confine(job["seconds"], job["memory_mb"])
from readers.main import main
main(job["package"], job["reader"], job["options"])
"""


class SandboxFailed(Exception):
    """The reader gave no result; `problem` is one of PROBLEMS."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


def run(
    reader: str,
    data: bytes,
    options: Mapping[str, Any],
    *,
    seconds: float = 20,
    memory_mb: int = 768,
    package: str = "readers",
) -> tuple[dict[str, Any], bytes]:
    """What the module `reader` of `package` makes of `data`: a header, and the content.

    Waits while too many others are being read. Raises SandboxFailed.
    """
    job = {
        "package": package,
        "reader": reader,
        "options": dict(options),
        "seconds": seconds,
        "memory_mb": memory_mb,
        "path": _import_path(),
    }
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _BEGIN, json.dumps(job)]
    with _AT_ONCE:
        began = time.monotonic()
        outcome = "a limit"
        try:
            code, answer = _exchange(command, data, began + seconds)
            header, content = _parted(code, answer)
            outcome = _word(header.get("reason", "read"))
            if problem := header.get("problem"):
                raise SandboxFailed(problem if _word(problem) in PROBLEMS else "unreadable")
            return header, content
        except SandboxFailed as failed:
            outcome = f"{failed.problem} ({outcome})"
            raise
        finally:
            spent_ms = (time.monotonic() - began) * 1000
            log.info("%s of %d bytes, %.0f ms: %s", reader, len(data), spent_ms, outcome)


def _exchange(command: list[str], data: bytes, deadline: float) -> tuple[int, bytes]:
    """Runs `command` with `data` as its input: its exit code and its output."""
    try:
        process = _start(command)
    except OSError as error:
        log.warning("no process can be started to read a file: %s", error.strerror)
        raise SandboxFailed("too_complex") from None
    assert process.stdin and process.stdout
    answer = bytearray()
    feed = threading.Thread(target=_feed, args=(process.stdin, data), daemon=True)
    collect = threading.Thread(target=_collect, args=(process.stdout, answer), daemon=True)
    try:
        feed.start()
        collect.start()
        collect.join(max(0.0, deadline - time.monotonic()))
        if collect.is_alive() or len(answer) > _MOST_BACK:
            raise SandboxFailed("too_complex")
        code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise SandboxFailed("too_complex") from None
    finally:
        _end(process)
        feed.join(1)
        collect.join(1)
    return code, bytes(answer)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(sys.executable).anchor,
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        start_new_session=True,  # a group of its own, to be ended as one
    )


def _feed(pipe: IO[bytes], data: bytes) -> None:
    with suppress(OSError), pipe:  # the child may end before it has read everything
        pipe.write(data)


def _collect(pipe: IO[bytes], answer: bytearray) -> None:
    with pipe:
        while len(answer) <= _MOST_BACK and (piece := os.read(pipe.fileno(), 65_536)):
            answer += piece


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        # It has not been waited for, so the group's id still is its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _parted(code: int, answer: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of an answer and what follows it."""
    if code < 0:  # ended by a signal: a limit, a crash, or the system short of memory
        return {"problem": "too_complex", "reason": f"signal_{-code}"}, b""
    line, _, content = answer.partition(b"\n")
    with suppress(orjson.JSONDecodeError):
        header = orjson.loads(line)
        if code == 0 and isinstance(header, dict):
            return header, content
    return {"problem": "unreadable", "reason": f"exit_code_{code}"}, b""


def _word(said: object) -> str:
    """A name as readers give them; of anything else nothing reaches the log."""
    return said if isinstance(said, str) and said.isidentifier() and len(said) < 50 else "unknown"


def _import_path() -> list[str]:
    """Parley, and the places where this process finds its libraries."""
    return [str(_ROOT), *(os.path.abspath(place) for place in sys.path if place)]

"""Run a reader on untrusted bytes in a child process with limits on memory and time.

The child gets the bytes, an almost empty environment and no write access to the disk. On Linux it
can read only Python's own files (see `readers.confinement`). Its output is bounded in size and as
untrusted as the input.
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

from chat.attachments.reader_paths import import_path, readable_paths

log = logging.getLogger(__name__)

PROBLEMS = frozenset({"encrypted", "unreadable", "too_complex", "no_text"})
# The only inherited variables: those the system needs to start a program. Others may hold keys.
ENVIRONMENT = ("SystemRoot", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_MAX_OUTPUT_BYTES = 64_000_000
_BOOTSTRAP = """
import json, sys
job = json.loads(sys.argv[1])
sys.path[:] = job["path"]
from readers.limits import set_resource_limits
set_resource_limits(job["seconds"], job["memory_mb"])
from readers.main import main
main(job["package"], job["reader"], job["options"], job["readable"])
"""


PROTECTIONS = ("landlock", "user", "seccomp")  # of the kernel; which exist depends on the system
_logged: set[tuple[str, ...]] = set()


class SandboxError(Exception):
    """The reader returned no result. `problem` is one of PROBLEMS."""

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
    """Run the module `reader` of `package` on `data` and return its header and content.

    The caller limits the number of child processes. Raises SandboxError.
    """
    job = {
        "package": package,
        "reader": reader,
        "options": dict(options),
        "seconds": seconds,
        "memory_mb": memory_mb,
        "path": import_path(),
        "readable": readable_paths(),
    }
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _BOOTSTRAP, json.dumps(job)]
    started = time.monotonic()
    outcome = "a limit"
    try:
        exit_code, output = _communicate(command, data, started + seconds)
        header, content = _parse_output(exit_code, output)
        _log_protections(header.pop("protections", None))
        outcome = _identifier(header.get("reason", "read"))
        if problem := header.get("problem"):
            raise SandboxError(problem if _identifier(problem) in PROBLEMS else "unreadable")
        return header, content
    except SandboxError as error:
        outcome = f"{error.problem} ({outcome})"
        raise
    finally:
        elapsed_ms = (time.monotonic() - started) * 1000
        log.info("%s of %d bytes, %.0f ms: %s", reader, len(data), elapsed_ms, outcome)


def _communicate(command: list[str], data: bytes, deadline: float) -> tuple[int, bytes]:
    """Run `command` with `data` as its input and return its exit code and output.

    Unlike `Popen.communicate`, this bounds the size of the output.
    """
    try:
        process = _start(command)
    except OSError as error:
        log.warning("cannot start a process to read a file: %s", error.strerror)
        raise SandboxError("too_complex") from None
    assert process.stdin and process.stdout
    output = bytearray()
    writer = threading.Thread(target=_write, args=(process.stdin, data), daemon=True)
    collector = threading.Thread(target=_collect, args=(process.stdout, output), daemon=True)
    try:
        writer.start()
        collector.start()
        collector.join(max(0.0, deadline - time.monotonic()))
        if collector.is_alive() or len(output) > _MAX_OUTPUT_BYTES:
            raise SandboxError("too_complex")
        exit_code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise SandboxError("too_complex") from None
    finally:
        _kill(process)
        writer.join(1)
        collector.join(1)
    return exit_code, bytes(output)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(sys.executable).anchor,
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        start_new_session=True,  # a process group of its own, to kill it with its children
    )


def _write(pipe: IO[bytes], data: bytes) -> None:
    with suppress(OSError), pipe:  # the child may exit before it has read its input
        pipe.write(data)


def _collect(pipe: IO[bytes], output: bytearray) -> None:
    with pipe:
        while len(output) <= _MAX_OUTPUT_BYTES and (chunk := os.read(pipe.fileno(), 65_536)):
            output += chunk


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        # The child has not been waited for, so its group id cannot have been reused.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _parse_output(exit_code: int, output: bytes) -> tuple[dict[str, Any], bytes]:
    """Split the output into its header and its content."""
    if exit_code < 0:  # killed by a signal: a limit, a crash or the out-of-memory killer
        return {"problem": "too_complex", "reason": f"signal_{-exit_code}"}, b""
    line, _, content = output.partition(b"\n")
    with suppress(orjson.JSONDecodeError):
        header = orjson.loads(line)
        if exit_code == 0 and isinstance(header, dict):
            return header, content
    return {"problem": "unreadable", "reason": f"exit_code_{exit_code}"}, b""


def protections() -> tuple[str, ...]:
    """Return the names of the kernel's protections that are active in a reader process."""
    header, _ = run("protections", b"", {})
    return _known_protections(header.get("active"))


def _known_protections(active: object) -> tuple[str, ...]:
    return tuple(each for each in PROTECTIONS if isinstance(active, list) and each in active)


def _log_protections(reported: object) -> None:
    """Log once which protections readers have: they differ between systems."""
    if not isinstance(reported, list) or (active := _known_protections(reported)) in _logged:
        return
    _logged.add(active)
    log.info("files are read in processes with limits and %s", ", ".join(active) or "no more")


def _identifier(value: object) -> str:
    """Return `value` if it is a short identifier, else "unknown", so that logs quote no content."""
    if isinstance(value, str) and value.isidentifier() and len(value) < 50:
        return value
    return "unknown"

"""Tests for the sandbox that runs readers in a child process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from chat.attachments import sandbox


def run_hostile_reader(
    action: str, data: bytes = b"", *, seconds: float = 20
) -> tuple[dict[str, object], bytes]:
    options = {"action": action}
    return sandbox.run("hostile_reader", data, options, seconds=seconds, package="tests.support")


def test_large_input_and_output_are_passed_through() -> None:
    data = os.urandom(5_000_000)
    assert run_hostile_reader("echo", data) == ({"size": len(data)}, data)


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ("exhaust memory", "too_complex"),
        ("oversized output", "too_complex"),
        ("crash", "too_complex"),
        ("exit", "unreadable"),
    ],
)
@pytest.mark.usefixtures("_bounded_memory")
def test_failing_reader_raises_sandbox_error(action: str, problem: str) -> None:
    with pytest.raises(sandbox.SandboxError) as error:
        run_hostile_reader(action)
    assert error.value.problem == problem


def test_reader_is_killed_after_timeout() -> None:
    with pytest.raises(sandbox.SandboxError) as error:
        run_hostile_reader("loop", seconds=1)
    assert error.value.problem == "too_complex"


def test_reader_that_exits_before_reading_input_raises_sandbox_error() -> None:
    with pytest.raises(sandbox.SandboxError) as error:
        sandbox.run("no_such_reader", bytes(10_000_000), {})
    assert error.value.problem == "unreadable"


def test_printed_text_is_not_part_of_the_output() -> None:
    assert run_hostile_reader("print") == ({"is": "the output"}, b"")


def test_reader_environment_holds_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    header, inherited = run_hostile_reader("show environment")
    environment = header["environment"]
    assert isinstance(environment, dict) and set(environment) <= {"LC_CTYPE", *sandbox.ENVIRONMENT}
    assert b"canary" not in inherited and b"PATH=" not in inherited.replace(
        b"LD_LIBRARY_PATH=", b""
    )
    assert header["folder"] == Path(sys.executable).anchor


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource limits")
def test_reader_cannot_write_files_or_open_connections(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    header, _ = run_hostile_reader("escape", str(tmp_path).encode())
    assert header == {"done": []}
    assert (tmp_path / "here").exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0

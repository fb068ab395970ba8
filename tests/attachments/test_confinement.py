"""The kernel keeps a reader from the files, processes and networks of the machine."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chat.attachments import reader_paths, sandbox
from readers import seccomp
from tests.support import hostile_reader

ROOT = Path(__file__).parents[2]

ACTIVE = sandbox.protections() if sys.platform == "linux" else ()
needs_landlock = pytest.mark.skipif(
    "landlock" not in ACTIVE, reason="needs Landlock (Linux 5.13 or newer)"
)
needs_seccomp = pytest.mark.skipif("seccomp" not in ACTIVE, reason="needs seccomp")


def run_hostile_reader(action: str, data: str) -> dict[str, object]:
    options = {"action": action}
    return sandbox.run("hostile_reader", data.encode(), options, package="tests.support")[0]


@pytest.fixture
def secrets(tmp_path: Path) -> list[str]:
    """Paths of files and folders that this process can read."""
    key = tmp_path / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("PRIVATE KEY")
    database = tmp_path / "parley.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("create table messages (text)")
    link = tmp_path / "link"
    link.symlink_to(key)
    paths = [
        str(key),
        str(database),
        str(link),
        str(ROOT / "README.md"),
        str(ROOT / "chat" / "__main__.py"),
        f"{sys.base_prefix}/lib/../../../../../../../..{key}",
        f"/proc/self/root{key}",
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/maps",
        "/proc/meminfo",
        "/",
        "/etc/",
        f"{tmp_path}/",
        f"{ROOT}/",
        f"{Path.home()}/",
    ]
    paths += [
        f"/proc/{os.getpid()}/{name}" for name in ("environ", "cmdline", "maps", "fd/", "cwd/")
    ]
    assert hostile_reader.read_paths("\n".join(paths).encode())[0]["found"] == paths
    return paths


@needs_landlock
def test_reader_can_read_neither_its_parent_nor_the_files_of_the_user(secrets: list[str]) -> None:
    assert run_hostile_reader("read paths", "\n".join(secrets)) == {"found": []}


@needs_landlock
@pytest.mark.parametrize("folder", ["the repository", "the home folder", "above both"])
def test_import_path_grants_no_access_to_private_folders(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "key").touch()
    monkeypatch.setenv("HOME", str(home))
    added = {"the repository": ROOT, "the home folder": home, "above both": Path("/")}[folder]
    monkeypatch.syspath_prepend(str(added))
    assert str(added) not in reader_paths.readable_paths()
    paths = f"{home}/key\n{ROOT}/README.md\n{added}/"
    assert run_hostile_reader("read paths", paths) == {"found": []}


@needs_seccomp
def test_exploited_parser_can_neither_connect_nor_reach_other_processes() -> None:
    assert run_hostile_reader("call the kernel", str(os.getpid())) == {"done": []}


@needs_landlock
def test_every_protection_is_reported() -> None:
    assert set(ACTIVE) >= {"landlock", "seccomp"}
    assert "user" not in ACTIVE or os.geteuid() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is part of Linux")
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_forbids_the_same_calls_on_both_architectures(machine: str) -> None:
    program = seccomp._instructions(machine)
    assert all(len(instruction) == 8 for instruction in program)
    column = ["x86_64", "aarch64"].index(machine) + 1
    numbers = [row[column] for row in seccomp._FORBIDDEN if row[column] is not None]
    assert len(set(numbers)) == len(numbers)
    assert {"socket", "ptrace", "execve", "clone", "kill"} <= {
        row[0] for row in seccomp._FORBIDDEN if row[column] is not None
    }


HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h",),
}


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers_of_system_calls_are_those_of_the_kernel_headers(machine: str) -> None:
    header = next((path for path in map(Path, HEADERS[machine]) if path.exists()), None)
    if header is None:
        pytest.skip("needs the kernel headers")
    words = (line.split() for line in header.read_text("utf-8").splitlines())
    known = {line[1]: line[2] for line in words if len(line) == 3 and line[0] == "#define"}
    column = list(HEADERS).index(machine) + 1
    for row in seccomp._FORBIDDEN:
        expected = known.get(f"__NR_{row[0]}", known.get(f"__NR3264_{row[0]}"))
        if expected is not None:
            assert str(row[column]) == expected, row[0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_reader_of_an_unprivileged_process_is_confined() -> None:
    code = "from chat.attachments import sandbox; print(*sandbox.protections())"
    command = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", sys.executable, "-c"]
    done = subprocess.run([*command, code], cwd=ROOT, capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in done.stderr or "ermission denied" in done.stderr:
        pytest.skip("Python is readable by root only")
    assert done.stdout.split() == [each for each in ACTIVE if each != "user"], done.stderr

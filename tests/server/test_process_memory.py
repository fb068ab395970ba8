"""Other processes of the same user can read neither the environment nor the memory of Parley."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.app_server import AppServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Without its capabilities, root has no more access to other processes than any user.
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
UNPRIVILEGED = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all") if IS_ROOT else ()
if IS_ROOT and shutil.which("setpriv") is None:
    pytest.skip("needs setpriv to give up the rights of root", allow_module_level=True)
READ = """
import os, sys
for name in ("environ", "maps", "mem", "auxv", "cwd", "exe"):
    path = f"/proc/{sys.argv[1]}/{name}"
    try:
        os.readlink(path) if name in ("cwd", "exe") else open(path, "rb").read(0)
    except OSError:
        continue
    print(name)
"""


def readable(process: int) -> list[str]:
    """Return what another process of the same user can read of a process."""
    command = [*UNPRIVILEGED, sys.executable, "-I", "-S", "-c", READ, str(process)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.slow
def test_other_process_reads_neither_environment_nor_memory(tmp_path: Path) -> None:
    app = AppServer(tmp_path, OPENAI_API_KEY="sk-canary")
    app.launcher = UNPRIVILEGED
    with app:
        assert readable(app.pid) == []
        assert "can read the memory" not in app.log()


def test_unprotected_process_can_be_read() -> None:
    command = [*UNPRIVILEGED, sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert {"environ", "maps", "mem", "cwd"} <= set(readable(process.pid))
        process.kill()


def test_protected_process_still_reports_itself() -> None:
    code = """
import os
from server import process_memory
process_memory.protect()
from chat.observability.metrics import Metrics
assert os.listdir("/proc/self/fd") and os.readlink("/proc/self/ns/pid")
print(Metrics().render(None).decode())
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert "process_open_fds" in done.stdout, done.stderr

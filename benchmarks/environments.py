"""Virtual environments in `.bench/` for packages that conflict with Parley's dependencies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".bench"
PINNED = {
    "chainlit": ("chainlit==2.12.0", "openai==3.54.0"),
    "gradio": ("gradio==6.31.0", "openai==3.54.0"),
    "open-webui": ("open-webui==0.12.4",),
    "py-spy": ("py-spy==0.4.3",),
}


class NotInstalled(Exception):
    """pip failed; the message contains the last lines of its output."""


def installed(name: str) -> Path:
    """Return the `bin` folder of an environment, creating it if necessary.

    Raises `NotInstalled` if pip fails.
    """
    folder = CACHE / name
    ready = folder / ".ready"
    wanted = "\n".join(PINNED[name])
    if not ready.exists() or ready.read_text() != wanted:
        print(f"installing {', '.join(PINNED[name])} in {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        done = subprocess.run(
            [*pip, "--disable-pip-version-check", "--no-input", *PINNED[name]],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise NotInstalled("\n".join(done.stderr.splitlines()[-3:]))
        ready.write_text(wanted)
    return folder / "bin"


def versions(name: str) -> dict[str, str]:
    """Return the pinned versions by package."""
    pairs = (each.partition("==") for each in PINNED[name])
    return {package: pinned for package, _, pinned in pairs}

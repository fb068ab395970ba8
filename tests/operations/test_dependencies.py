"""Dependencies are locked with hashes, images with digests, and both are installed that way."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {"requirements.txt": "requirements.lock", "requirements-dev.txt": "requirements-dev.lock"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = (("linux", "Linux"), ("darwin", "Darwin"))


def listed(name: str) -> list[Requirement]:
    """Return the requirements of a file that people write."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    lines = [line.partition("#")[0].strip() for line in lines]
    return [Requirement(line) for line in lines if line and not line.startswith("-r ")]


def locked(name: str) -> list[tuple[Requirement, set[str]]]:
    """Return the requirements of a lock file with their hashes."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [
        (Requirement(line.partition("--hash")[0]), set(re.findall(r"--hash=(\S+)", line)))
        for line in lines
    ]


def versions(name: str, python: str, system: tuple[str, str]) -> dict[str, str]:
    """Return the versions that a lock file installs on a Python version and system."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": system[0],
        "platform_system": system[1],
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    found: dict[str, str] = {}
    for each, _ in locked(name):
        marker: Marker | None = each.marker
        if marker is None or marker.evaluate(environment):
            key = canonicalize_name(each.name)
            assert key not in found, f"two versions of {key}"
            found[key] = str(each.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("name", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_lock_installs_the_pinned_version_of_every_requirement(
    name: str, python: str, system: tuple[str, str]
) -> None:
    installed = versions(LOCKS[name], python, system)
    for each in listed(name):
        assert f"=={installed[canonicalize_name(each.name)]}" == str(each.specifier), each.name


@pytest.mark.parametrize("name", LOCKS.values())
def test_locked_packages_have_one_version_and_hashes(name: str) -> None:
    for each, hashes in locked(name):
        assert re.fullmatch(r"==[^,*]+", str(each.specifier)), each
        assert hashes, each
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), each


@pytest.mark.parametrize("python", PYTHONS)
def test_tests_run_with_the_locked_versions(python: str) -> None:
    runtime, tests = (versions(each, python, SYSTEMS[0]) for each in LOCKS.values())
    assert runtime.items() <= tests.items()


def test_only_locked_packages_are_installed() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    installs = [line for line in makefile.splitlines() if "$(PIP) install" in line]
    allowed = re.compile(r"\$\(PIP\) install (--require-hashes -r \S+\.lock|uv==[\d.]+)$")
    assert len(installs) == 3 and all(allowed.search(line) for line in installs)
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert re.findall(r"pip .*install.*", dockerfile) == [
        "pip --python /venv/bin/python install --only-binary :all: --require-hashes"
        " -r /requirements.lock \\"
    ]


def test_images_are_named_by_digest() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    images = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    named = [each["image"] for each in compose["services"].values() if "build" not in each]
    assert len(images) == 2 and images[0] == images[1] and len(named) == 2
    for image in (*images, *named):
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image


SAFE = {"name": "safe", "version": "1.0", "vulns": []}
VULNERABLE = {
    "name": "holey",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}],
}


@pytest.mark.parametrize(
    ("packages", "exit_code", "message"),
    [
        ([SAFE], 0, "1 locked packages were compared"),
        ([{"name": "unknown", "skip_reason": "not on the index"}, SAFE], 0, "2 locked packages"),
        ([SAFE, VULNERABLE], 1, "holey 1.0: PYSEC-1; fixed in 1.1"),
        (None, 0, "were not checked"),
    ],
)
def test_audit_fails_on_a_known_vulnerability_only(
    tmp_path: Path, packages: list[object] | None, exit_code: int, message: str
) -> None:
    """`None` means that the database cannot be reached."""
    output = "" if packages is None else json.dumps({"dependencies": packages})
    (tmp_path / "pip_audit.py").write_text(f"print({output!r}); raise SystemExit(1)", "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(ROOT / ".ci" / "audit")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code, done.stderr
    assert message in done.stdout


def test_ci_runs_the_audit() -> None:
    assert "make audit" in (ROOT / ".ci" / "run").read_text("utf-8")

"""Every guarantee of SECURITY.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "| ---" not in line]
GUARANTEES = [row.strip("| ").split(" | ") for row in ROWS if not row.startswith("| Guarantee")]


def test_every_guarantee_names_existing_tests() -> None:
    assert len(GUARANTEES) > 30
    for guarantee, tests in GUARANTEES:
        paths = re.findall(r"tests/[\w/]+\.py", tests)
        assert paths, guarantee
        for path in paths:
            assert (ROOT / path).is_file(), f"{path}: {guarantee}"
            assert "def test_" in (ROOT / path).read_text("utf-8"), path


def test_limitations_are_stated() -> None:
    assert PAGE.index("## Limitations") > max(PAGE.index(row) for row in ROWS)

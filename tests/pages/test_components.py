"""Tests for the browser components: file layout and location of DOM selectors."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "pages" / "components"
SHARED = {"__init__", "browser_component", "selectors"}


def test_component_has_one_module_and_one_script() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")} - SHARED
    scripts = {path.stem for path in FOLDER.glob("*.js")} - SHARED
    assert modules == scripts


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.js")), ids=lambda path: path.stem)
def test_dom_selectors_are_only_in_the_selectors_file(path: Path) -> None:
    found = re.findall(r"data-testid|st-key-|\.getBy\w+", path.read_text("utf-8"))
    assert bool(found) == (path.stem == "selectors")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.js")), ids=lambda path: path.stem)
def test_scripts_use_only_declared_selectors(path: Path) -> None:
    declared = re.findall(r"^  (\w+):", (FOLDER / "selectors.js").read_text("utf-8"), re.MULTILINE)
    used = re.findall(r"SELECTORS\.(\w+)", path.read_text("utf-8"))
    assert set(used) <= set(declared)


def test_every_selector_is_used() -> None:
    declared = re.findall(r"^  (\w+):", (FOLDER / "selectors.js").read_text("utf-8"), re.MULTILINE)
    scripts = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.js"))
    assert [name for name in declared if f"SELECTORS.{name}" not in scripts] == []

"""Architecture rules that the import contracts in pyproject.toml cannot express."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PARSERS = {"readers", "PIL", "pypdf", "docx", "lxml", "python_calamine"}
SLEEP_ALLOWED = {ROOT / "tests" / "support" / "llm_server.py"}  # it simulates a model's pace


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def parsed(path: Path) -> tuple[ast.AST, ...]:
    """Return the syntax nodes of a file that the rules examine."""
    kinds = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute)
    return tuple(n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, kinds))


def nodes(paths: Iterable[Path]) -> Iterator[tuple[str, ast.AST]]:
    """Yield the syntax nodes of the files with their location, `path:line`."""
    for path in paths:
        for node in parsed(path):
            yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", node


def called_name(call: ast.Call) -> str:
    """Return the last part of the name of the called function."""
    return str(getattr(call.func, "attr", None) or getattr(call.func, "id", ""))


def imported_modules(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield the location and the absolute name of every imported module."""
    for location, node in nodes(paths):
        if isinstance(node, ast.Import):
            yield from ((location, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield location, node.module or ""


def run_python(code: str, folder: Path) -> str:
    """Run `code` in a new interpreter without environment variables and return its output."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


def test_pages_folder_contains_no_script_at_its_top_level() -> None:
    # Streamlit would serve it as a page of its own, without app.py and its sign-in gate.
    assert list((ROOT / "pages").glob("*.py")) == []


def test_app_imports_neither_internals_of_chat_nor_parsers() -> None:
    # The import contracts cover packages only, and app.py is a single module.
    violations = [
        f"{location} imports {module}"
        for location, module in imported_modules([ROOT / "app.py"])
        if module.startswith("chat.") or module.split(".")[0] in PARSERS
    ]
    assert violations == []


def test_test_files_import_helpers_from_support_only() -> None:
    violations = [
        f"{location} imports {module}"
        for location, module in imported_modules(python_files("tests", "benchmarks"))
        if module.startswith("tests.") and module.split(".")[-1].startswith(("test_", "conftest"))
    ]
    assert violations == [], "move shared helpers to tests/support"


def test_pages_and_tests_do_not_sleep() -> None:
    files = [path for path in python_files("pages", "tests") if path not in SLEEP_ALLOWED]
    violations = [
        location
        for location, node in nodes(files)
        if isinstance(node, ast.Call) and called_name(node) == "sleep"
    ]
    assert violations == [], "wait for a condition instead"


def test_tests_use_public_attributes_of_the_service() -> None:
    parts = {"service", "runtime", "space", "runner", "worker", "store", "billing"}
    violations = [
        f"{location} uses {ast.unparse(node)}"
        for location, node in nodes(python_files("tests"))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and parts & set(re.findall(r"\w+", ast.unparse(node.value)))
    ]
    assert violations == []


def test_importing_chat_imports_no_slow_library(tmp_path: Path) -> None:
    code = "import chat, sys; print({'streamlit', 'openai', 'tiktoken'} & set(sys.modules))"
    assert run_python(code, tmp_path) == "set()"


def test_importing_chat_has_no_side_effects(tmp_path: Path) -> None:
    code = """
import sys, threading
seen = []
def watch(event, args):
    if event.startswith(("socket.connect", "socket.bind", "sqlite3.connect", "os.putenv")):
        seen.append(event)
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"writes {args[0]}")
sys.addaudithook(watch)
import chat
print(seen, threading.active_count())
"""
    assert run_python(code, tmp_path) == "[] 1"
    assert list(tmp_path.iterdir()) == []


def test_server_starts_without_importing_the_database(tmp_path: Path) -> None:
    entry = "import pages.session.visitor, pages.shell.lifespan, server.wiring, sys"
    assert run_python(f"{entry}; print('sqlalchemy' in sys.modules)", tmp_path) == "False"


def test_every_public_name_of_chat_can_be_imported(tmp_path: Path) -> None:
    assert run_python("from chat import *; print(open_chat.__module__)", tmp_path) == (
        "chat.bootstrap"
    )


def test_conversation_uses_the_chat_elements_of_streamlit() -> None:
    called = {
        called_name(node) for _, node in nodes(python_files("pages")) if isinstance(node, ast.Call)
    }
    assert {"chat_message", "write_stream", "chat_input"} <= called

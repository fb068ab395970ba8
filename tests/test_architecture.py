"""The rules of the house that the import linter cannot say."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "pages").rglob("*.py"))
SERVER = sorted((ROOT / "server").rglob("*.py"))
CHAT = sorted((ROOT / "chat").rglob("*.py"))
READERS = sorted((ROOT / "readers").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def imports(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every import of a file, wherever it stands: the module, and the names taken from it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide who talks to whom"
            yield node.module or "", tuple(alias.name for alias in node.names)


def public_names() -> set[str]:
    tree = ast.parse((ROOT / "chat" / "__init__.py").read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError("chat/__init__.py has no __all__")


def test_the_entry_is_where_the_commands_look_for_it() -> None:
    assert (ROOT / "app.py").is_file()


def test_no_script_lies_directly_in_pages() -> None:
    # Streamlit would run it on a deep link without app.py, and so without its gate.
    assert names(list((ROOT / "pages").glob("*.py"))) == []


@pytest.mark.parametrize("path", [ROOT / "app.py", *PAGES, *SERVER], ids=lambda path: path.name)
def test_pages_and_server_use_only_the_public_names_of_chat(path: Path) -> None:
    for module, taken in imports(path):
        if module.split(".")[0] == "chat":
            assert module == "chat", f"imports {module}: only `chat` itself is public"
            assert set(taken) <= public_names()


@pytest.mark.parametrize("path", CHAT, ids=lambda path: str(path.relative_to(ROOT)))
def test_chat_imports_neither_pages_nor_server(path: Path) -> None:
    assert not {module.split(".")[0] for module, _ in imports(path)} & {"pages", "server", "app"}


@pytest.mark.parametrize("path", SERVER, ids=lambda path: path.name)
def test_the_server_imports_no_page(path: Path) -> None:
    assert not {module.split(".")[0] for module, _ in imports(path)} & {"pages", "app"}


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.name)
def test_readers_know_nothing_of_parley(path: Path) -> None:
    # They run in a child process that is to hold no key and no settings.
    foreign = {"chat", "pages", "server", "app", "streamlit", "pandas", "numpy", "dotenv"}
    assert not {module.split(".")[0] for module, _ in imports(path)} & foreign


@pytest.mark.parametrize(
    "path", [*CHAT, *SERVER, *PAGES, ROOT / "app.py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_only_readers_import_what_takes_files_apart(path: Path) -> None:
    parsers = {"readers", "PIL", "pypdf", "docx", "lxml", "python_calamine"}
    assert not {module.split(".")[0] for module, _ in imports(path)} & parsers


PACED = {ROOT / "tests" / "support" / "llm_server.py"}  # a model's pace is what it is there to play


@pytest.mark.parametrize(
    "path",
    [*PAGES, *(path for path in TESTS if path not in PACED)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_nobody_sleeps(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    sleeps = [
        f"line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (ast.unparse(node.func) == "sleep" or ast.unparse(node.func).endswith(".sleep"))
    ]
    assert sleeps == [], "wait for what you are waiting for"


def run_python(code: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


@pytest.mark.parametrize("module", ["streamlit", "openai", "tiktoken"])
def test_importing_chat_does_not_import(module: str, tmp_path: Path) -> None:
    assert run_python(f"import chat, sys; print({module!r} in sys.modules)", tmp_path) == "False"


def test_importing_chat_opens_nothing_and_starts_nothing(tmp_path: Path) -> None:
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


def test_the_server_answers_before_the_database_is_imported(tmp_path: Path) -> None:
    entry = "import pages.session.visitor, pages.shell.lifespan, server.wiring, sys"
    assert run_python(f"{entry}; print('sqlalchemy' in sys.modules)", tmp_path) == "False"


def test_every_public_name_of_chat_is_there(tmp_path: Path) -> None:
    assert run_python("from chat import *; print(open_chat.__module__)", tmp_path) == (
        "chat.bootstrap"
    )

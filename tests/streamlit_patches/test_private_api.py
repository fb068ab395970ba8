"""Only pages/streamlit_patches/ imports or reads private names of Streamlit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import streamlit as st

ROOT = Path(__file__).parents[2]
PATCHES = ROOT / "pages" / "streamlit_patches"
FILES = [
    ROOT / "app.py",
    *(path for path in (ROOT / "pages").rglob("*.py") if PATCHES not in path.parents),
    *(ROOT / "server").rglob("*.py"),
]
# Documented: https://docs.streamlit.io/develop/api-reference
PUBLIC_MODULES = {
    "streamlit",
    "streamlit.components.v2.types",
    "streamlit.delta_generator",
    "streamlit_mic_recorder",
}
PUBLIC_SUBMODULES = {"components"}  # st.components.v1 and v2
# Attributes of private objects that can be reached from public ones.
PRIVATE_ATTRIBUTES = {
    "file_storage",
    "get_script_run_ctx",
    "is_history_navigation",
    "load_if_toml_exists",
    "media_file_mgr",
    "pages_manager",
    "script_requests",
    "session_mgr",
    "stats_mgr",
    "uploaded_file_mgr",
    "uses_pages_directory",
}


def private_names(source: str) -> Iterator[str]:
    """Yield each private name of Streamlit that is imported or read in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
            yield from (each for each in modules if is_private_module(each))
        elif isinstance(node, ast.ImportFrom) and node.module:
            if is_private_module(node.module):
                yield node.module
            elif node.module == "streamlit":
                yield from (alias.name for alias in node.names if is_private(alias.name))
        elif isinstance(node, ast.Attribute):
            chain = ast.unparse(node).split(".")
            if chain[0] == "st" and (
                is_private(chain[1]) or any(part.startswith("_") for part in chain[1:])
            ):
                yield ".".join(chain)
            elif node.attr in PRIVATE_ATTRIBUTES and chain[0] != "context":
                yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and node.value in PRIVATE_ATTRIBUTES:
            yield str(node.value)  # as in getattr(x, "file_storage")


def is_private_module(name: str) -> bool:
    is_streamlit = name.partition(".")[0].startswith("streamlit")
    return is_streamlit and name not in PUBLIC_MODULES


def is_private(name: str) -> bool:
    """Return whether `st.name` is not part of the documented API."""
    if name.startswith("_"):
        return True
    is_module = isinstance(getattr(st, name, None), ModuleType)
    return is_module and name not in PUBLIC_SUBMODULES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_of_streamlit_are_used_in_streamlit_patches_only(path: Path) -> None:
    assert list(private_names(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "from streamlit.runtime.scriptrunner import get_script_run_ctx",
        "import streamlit.web.bootstrap",
        "from streamlit import runtime",
        "import streamlit as st; st.runtime.get_instance()",
        "import streamlit as st; st.secrets._parse()",
        "import streamlit as st; st.secrets.load_if_toml_exists()",
        "getattr(manager, 'file_storage')",
    ],
)
def test_check_finds_private_names(source: str) -> None:
    assert list(private_names(source))


@pytest.mark.parametrize(
    "source",
    [
        "import streamlit as st; st.components.v2.component('x')",
        "from streamlit.delta_generator import DeltaGenerator",
        "import streamlit as st; st.session_state['_x']; st.context.cookies",
    ],
)
def test_check_accepts_public_names(source: str) -> None:
    assert not list(private_names(source))


def test_streamlit_patches_import_no_other_package() -> None:
    for path in PATCHES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                top = ".".join(node.module.split(".")[:2])
                assert top.partition(".")[0] not in {"chat", "server"}, path
                assert not top.startswith("pages") or top == "pages.streamlit_patches", path

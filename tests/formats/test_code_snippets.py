"""Tests that exported code sends the request and prints the reply."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain.message import Role
from chat.formats.code_snippets import ApiCall, ApiEndpoint, find_endpoint
from chat.formats.export import ExportFormat, export_call
from chat.providers.base import Picture, Request, Turn
from tests.support.llm_server import LLMServer, Script
from tests.support.portable_samples import png

ANSWER = "All is well."


KEY = "sk-test-0123456789abcdef"


HOSTILE = (
    '\'; touch /tmp/x; echo \'""" $(id) `id` \\ \n\r\t\x1b[0m \u202e # coding: utf-7 ü €\u2028'
)


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    with LLMServer(api_key=KEY) as server:
        server.default = Script(text=ANSWER, fault="json")  # all of it in parse_one piece
        yield server


def call_for(
    server: LLMServer, *, key: str | None = "OPENAI_API_KEY", image: bytes = b""
) -> ApiCall:
    images = (Picture("image/png", image),) if image else ()
    turns = (
        Turn(Role.USER, HOSTILE),
        Turn(Role.ASSISTANT, "'''\nEND_OF_REQUEST\n"),
        Turn(Role.USER, "And now?", images),
    )
    request = Request("gpt-5", turns, system_prompt=HOSTILE, temperature=0.25, max_tokens=77)
    return ApiCall(HOSTILE, ApiEndpoint("OpenAI", server.base_url, key), request)


def check_received(server: LLMServer, call: ApiCall) -> None:
    body = server.requests[-1].body
    assert {name: body[name] for name in call.body} == call.body


def run(command: list[str], folder: Path, **more: Any) -> str:
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY, "NO_PROXY": "*"}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, **more
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_script_prints_the_reply(server: LLMServer, tmp_path: Path) -> None:
    call = call_for(server, image=png())
    out = export_call(call, ExportFormat.SCRIPT)
    assert KEY.encode() not in out.data
    (tmp_path / "ask.py").write_bytes(out.data)
    assert run([sys.executable, "ask.py"], tmp_path).strip() == ANSWER
    check_received(server, call)


@pytest.mark.slow
def test_notebook_prints_the_reply(server: LLMServer, tmp_path: Path) -> None:
    call = call_for(server)
    notebook = json.loads(export_call(call, ExportFormat.NOTEBOOK).data)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        keys = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            keys |= {"execution_count", "outputs"}
        assert set(cell) == keys
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    run_cells = f"space = {{}}\nfor cell in {code!r}:\n    exec(cell, space)"
    (tmp_path / "cells.py").write_text(run_cells, "utf-8")
    assert ANSWER in run([sys.executable, "cells.py"], tmp_path)
    check_received(server, call)


@pytest.mark.parametrize("size", [0, 200_000], ids=["argument", "here document"])
def test_curl_command_prints_the_reply(server: LLMServer, tmp_path: Path, size: int) -> None:
    call = call_for(server, image=png() + b"x" * size if size else b"")
    text = export_call(call, ExportFormat.CURL).data.decode()
    assert KEY not in text
    if not size:
        arguments = shlex.split(text.replace("\\\n", ""))
        assert arguments[0] == "curl"
        assert json.loads(arguments[-1]) == call.body
    if not shutil.which("curl"):
        pytest.skip("curl is not installed: only its arguments were checked")
    assert ANSWER in run(["sh"], tmp_path, input=text)
    check_received(server, call)


def test_code_without_key_sends_no_authorization(server: LLMServer) -> None:
    call = call_for(server, key=None)
    for export_format in (ExportFormat.SCRIPT, ExportFormat.NOTEBOOK, ExportFormat.CURL):
        text = export_call(call, export_format).data.decode()
        assert "environ" not in text
        assert "Authorization" not in text


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text())
def test_any_text_is_quoted(title: str, text: str) -> None:
    request = Request("m", (Turn(Role.USER, text),), system_prompt=title)
    call = ApiCall(title, ApiEndpoint("X", "http://x/v1", "X_API_KEY"), request)
    script = export_call(call, ExportFormat.SCRIPT).data.decode()
    assignment = next(node for node in ast.parse(script).body if isinstance(node, ast.Assign))
    assert ast.literal_eval(assignment.value) == call.body["messages"]
    curl = export_call(call, ExportFormat.CURL).data.decode()
    assert json.loads(shlex.split(curl.replace("\\\n ", " "))[-1]) == call.body
    json.loads(export_call(call, ExportFormat.NOTEBOOK).data)


def test_find_endpoint_removes_credentials() -> None:
    values = {
        "OPENAI_API_KEY": "sk-1",
        "OLLAMA_BASE_URL": "http://me:secret@host:1/v1",
        "providers": {
            "my.lab": {"base_url": "https://u:p@lab.example/v1?key=s", "api_key": "k"},
            "open": {"base_url": "http://open.example/v1"},
        },
    }
    openai = find_endpoint(values, "openai")
    assert openai == ApiEndpoint(
        "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY", "max_completion_tokens"
    )
    assert find_endpoint(values, "ollama") == ApiEndpoint("Ollama", "http://host:1/v1", None)
    lab = find_endpoint(values, "my.lab")
    assert lab == ApiEndpoint("my.lab", "https://lab.example/v1", "MY_LAB_API_KEY")
    assert find_endpoint(values, "open") == ApiEndpoint("open", "http://open.example/v1", None)
    assert find_endpoint(values, "guide") is None
    assert find_endpoint(values, "lmstudio") == ApiEndpoint(
        "LM Studio", "http://127.0.0.1:1234/v1", None
    )

"""Outbound connections: limited to listed modules, and never caused by imported data."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chat import ChatService, ExportFormat, Submission
from chat.errors import OwnKeyMissing
from tests.support.scripted_provider import ScriptedProvider

ROOT = Path(__file__).parents[2]
CALLERS = {
    "chat/providers/openai_compatible/connection.py",  # the client of all providers
    "chat/providers/openai_compatible/client.py",  # a type only
    "chat/providers/openai_compatible/http_client.py",  # bounds the client's responses
    "chat/providers/ssrf/transport.py",  # refuses private addresses
    "chat/providers/openai_compatible/transport.py",  # the client's connections
    "chat/providers/openai_compatible/read_coalescing.py",  # wraps the client's streams
    "chat/providers/ssrf/public_address.py",  # parses addresses
    "chat/providers/openai_compatible/network_errors.py",  # error classes only
    "chat/providers/openai_compatible/timeouts.py",  # error classes only
    "chat/providers/openai_compatible/environment.py",  # reads the proxy settings
    "chat/replies/worker_liveness.py",  # the local host name
    "server/listening.py",  # the listening sockets
    "server/tcp_nodelay.py",  # options of listening sockets
    "server/websocket_limits.py",  # timeouts of anyio
}
NETWORK = {
    *("aiohttp", "anyio", "ftplib", "http", "httpcore2", "httplib", "httpx", "httpx2", "openai"),
    *("pycurl", "requests", "smtplib", "socket", "socketserver", "telnetlib", "urllib", "urllib3"),
    *("websockets", "xmlrpc"),
}
PURE_PARTS = ("urllib.parse", "http.cookies", "anyio.to_thread")
SOURCES = [
    path for name in ("chat", "pages", "readers", "server") for path in (ROOT / name).rglob("*.py")
]


def network_imports(path: Path) -> set[str]:
    """Return the imported modules that can open network connections."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{each.name}" for each in node.names]
        else:
            continue
        for module in modules:
            is_network = module.split(".")[0] in NETWORK
            if is_network and not module.startswith(PURE_PARTS):
                found.add(module)
    return found


def test_only_listed_modules_import_network_libraries() -> None:
    callers = {str(path.relative_to(ROOT)): network_imports(path) for path in SOURCES}
    assert {name for name, modules in callers.items() if modules} <= CALLERS


@pytest.mark.parametrize("model", ["own-evil.example.com/x", "own-openai/x"])
def test_import_ignores_base_urls_and_keys(
    make_service: Callable[..., ChatService], provider: ScriptedProvider, model: str
) -> None:
    service = make_service(ALLOW_CUSTOM_ENDPOINTS="true")
    answer = service.as_owner("visitor:a").messages.send(None, Submission("hello"))
    assert list(service.as_owner("visitor:a").messages.follow(answer.id))
    whole = (
        service.as_owner("visitor:a")
        .transfer.export(answer.conversation_id, ExportFormat.JSON)
        .data
    )
    changed = json.dumps(json.loads(whole)).replace("scripted/one", model)
    value = json.loads(changed)
    for where in (value, value.get("conversation", {}), value.get("settings", {})):
        where |= {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-x", "own": {"api_key": "x"}}
    service.as_owner("visitor:b").transfer.import_(io.BytesIO(json.dumps(value).encode()), "a.json")
    (imported,) = service.as_owner("visitor:b").conversations.latest()
    assert "127.0.0.1" not in repr(service.as_owner("visitor:b").conversations.open(imported.id))
    question = service.as_owner("visitor:b").conversations.open(imported.id).messages[0]
    service.as_owner("visitor:b").conversations.change_settings(imported.id, model=model)
    asked = len(provider.requests)
    with pytest.raises(OwnKeyMissing):
        service.as_owner("visitor:b").messages.edit(question.id, "and now?")
    assert len(provider.requests) == asked

"""By default other computers are refused, and an open instance is reported at the start."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from streamlit import config

from chat import Settings
from pages.session import process
from pages.shell import lifespan
from pages.streamlit_patches.server_address import is_address_chosen
from server.listening import is_loopback, listens_to_others
from server.local_only import LocalOnly, is_hosted


def status(server: tuple[str, int | None] | None, kind: str = "http") -> int:
    """Return the status of a request to this address of the machine; 200 if it is answered."""
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": kind,
        "path": "/",
        "headers": [],
        "server": server,
        "client": ("1.1.1.1", 1),
    }
    asyncio.run(LocalOnly(app)(scope, None, send))  # type: ignore[arg-type]
    return int(sent[0]["status"])


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", 200),
        ("127.1.2.3", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("/run/parley.sock", 200),
        ("192.168.1.5", 403),
        ("10.0.0.1", 403),
        ("203.0.113.9", 403),
        ("::ffff:192.168.1.5", 403),
        ("fe80::1", 403),
        ("2001:db8::1", 403),
        ("0.0.0.0", 403),
    ],
)
def test_only_connections_to_this_machine_are_answered(kind: str, host: str, expected: int) -> None:
    assert status((host, 8501), kind) == expected
    assert status(None, kind) == 200


@pytest.mark.parametrize(
    ("variables", "files", "expected"),
    [
        ({}, [], False),
        ({"PATH": "/bin", "PORT": "80", "DYNO": ""}, [], False),
        ({}, [".dockerenv"], True),
        ({}, ["run/.containerenv"], True),
        ({}, ["mount/src/parley/app.py"], True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, [], True),
        ({"container": "podman"}, [], True),
        ({"DYNO": "web.1"}, [], True),
        ({"SPACE_ID": "me/parley"}, [], True),
    ],
)
def test_containers_and_hosts_are_recognized(
    tmp_path: Path, variables: dict[str, str], files: list[str], expected: bool
) -> None:
    for each in files:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).touch()
    assert is_hosted(variables, tmp_path) is expected


@pytest.mark.parametrize("mode", [None, "asgi-server", "starlette-app"])
@pytest.mark.parametrize("address", [None, "0.0.0.0", "localhost"])
def test_address_is_chosen_by_an_option_or_another_server(
    monkeypatch: pytest.MonkeyPatch, mode: str | None, address: str | None
) -> None:
    monkeypatch.setattr(config, "_server_mode", mode)
    monkeypatch.setattr(config, "is_manually_set", lambda _: address is not None)
    assert is_address_chosen() is (mode != "starlette-app" or address is not None)


@pytest.mark.parametrize(("address", "expected"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_listening_sockets_are_found(address: str, expected: bool) -> None:
    with socket.create_server((address, 0)):
        assert listens_to_others() is expected
    assert not listens_to_others()


@pytest.mark.parametrize(
    ("settings", "is_warned"),
    [
        (Settings(), True),
        (Settings(limit_request_tokens=100), True),
        (Settings(access_code="open sesame"), False),
        (Settings(values={"auth": {}}), False),
        (Settings(limit_instance_dollars_per_day=2.0), False),
    ],
)
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_open_instance_is_reported(
    caplog: pytest.LogCaptureFixture, settings: Settings, is_warned: bool, address: str
) -> None:
    assert not process.is_local_only()
    with socket.create_server((address, 0)), caplog.at_level(logging.WARNING, "pages"):
        lifespan._warn_if_open_to_everyone(settings)
    assert ("everyone who can reach" in caplog.text) is (is_warned and address == "0.0.0.0")


def test_is_loopback_accepts_names_and_unix_sockets() -> None:
    assert is_loopback("localhost") and is_loopback("/run/parley.sock") and not is_loopback("::")

"""HAProxy with the configuration in deploy/: forwarded headers and HTTPS."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from chat import Connection
from tests.support.app_server import free_port
from tests.support.proxy import CONFIG, Proxy, haproxy
from tests.support.tls_server import TlsServer

pytestmark = pytest.mark.browser  # needs HAProxy, which `make test` installs

FORGED = {
    "X-Forwarded-For": "1.1.1.1",
    "x-forwarded-proto": "https",
    "X-FORWARDED-HOST": "elsewhere",
}


class Echo(BaseHTTPRequestHandler):
    """Handler that returns the request's headers as JSON."""

    def do_GET(self) -> None:
        body = json.dumps([[name.lower(), value] for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def echo() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


def forwarded_headers(url: str, context: ssl.SSLContext | None = None) -> dict[str, list[str]]:
    """Send forged headers to the proxy; return the `X-Forwarded-*` headers behind it."""
    found: dict[str, list[str]] = {}
    with urlopen(Request(url, headers=FORGED), timeout=10, context=context) as answer:
        for name, value in json.load(answer):
            if name.startswith("x-forwarded-"):
                found.setdefault(name, []).append(value)
    return found


def https_config(folder: Path, address: str, *, redirects: bool) -> Path:
    """Write the configuration with its HTTPS lines enabled, and a certificate with its key."""
    with TlsServer(folder, ["localhost"], 0):  # writes the certificate
        pass
    text = CONFIG.read_text("utf-8")
    text = text.replace("#bind :8443", f"bind {address}")
    text = text.replace("/usr/local/etc/haproxy/parley.pem", str(folder / "server.pem"))
    if redirects:
        text = text.replace("#http-request redirect", "http-request redirect")
    config = folder / "haproxy.cfg"
    config.write_text(text, "utf-8")
    return config


def test_proxy_drops_forwarded_headers_of_the_client(echo: int, tmp_path: Path) -> None:
    with Proxy(tmp_path, echo, echo) as proxy:
        headers = forwarded_headers(proxy.url)
    assert headers == {"x-forwarded-for": ["127.0.0.1"]}
    assert Connection("10.0.0.1", headers).client_address(proxies=1) == "127.0.0.1"


def test_proxy_sets_forwarded_proto_for_https_only(echo: int, tmp_path: Path) -> None:
    port = free_port()
    config = https_config(tmp_path, f"127.0.0.1:{port}", redirects=False)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    with Proxy(tmp_path, echo, echo, config=config) as proxy:
        assert "x-forwarded-proto" not in forwarded_headers(proxy.url)
        headers = forwarded_headers(f"https://localhost:{port}", trusted)
    assert headers == {"x-forwarded-for": ["127.0.0.1"], "x-forwarded-proto": ["https"]}


def test_proxy_https_lines_are_valid(tmp_path: Path) -> None:
    config = https_config(tmp_path, "127.0.0.1:8443", redirects=True)
    lines = [line.strip() for line in config.read_text("utf-8").splitlines()]
    assert any(each.startswith("http-request redirect scheme https") for each in lines)
    assert any(each.startswith("bind 127.0.0.1:8443 ssl crt") for each in lines)
    environment = {"PARLEY_1": "127.0.0.1:1", "PARLEY_2": "127.0.0.1:2", "BIND": "127.0.0.1:8080"}
    command = [haproxy(), "-c", "-f", str(config)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr

"""Certificates and proxies of the environment, and base URLs as people paste them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat import errors
from chat.bootstrap import problems_of
from chat.config.settings import Endpoint, Settings
from chat.errors import SettingsError
from chat.providers.endpoints import endpoints
from chat.providers.openai_compatible.client import OpenAIProvider
from chat.providers.openai_compatible.environment import environment_proxy
from chat.providers.openai_compatible.transport import shared_ssl_context
from chat.providers.user_keys import OwnKeys
from tests.support.llm_server import LLMServer, Script
from tests.support.provider_replies import OK, ask

CLOSED = "https://127.0.0.1:9/v1"
REMOTE = "https://models.example/v1"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(scope="module")
def shared_server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def server(shared_server: LLMServer) -> LLMServer:
    shared_server.reset()
    shared_server.default = OK
    return shared_server


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*PROXIES, *map(str.lower, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    shared_ssl_context.cache_clear()
    yield
    shared_ssl_context.cache_clear()


# --- certificates


@pytest.fixture(params=["missing", "a folder", "empty", "no certificate", "binary"])
def bad_file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    contents = {"empty": b"", "no certificate": b"hello", "binary": b"\0\xff" * 50}
    path = tmp_path / "ca.pem"
    if request.param == "a folder":
        path.mkdir()
    elif request.param in contents:
        path.write_bytes(contents[request.param])
    return str(path)


def test_unreadable_certificates_do_not_affect_plain_http(
    server: LLMServer, monkeypatch: pytest.MonkeyPatch, bad_file: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bad_file)
    assert ask(server.base_url).text == "ok"


def test_unreadable_certificates_are_named_by_the_error(
    monkeypatch: pytest.MonkeyPatch, bad_file: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bad_file)
    answer = ask(CLOSED)
    assert type(answer.error) is errors.TlsFailed
    assert "SSL_CERT_FILE" in answer.error.details
    assert bad_file in answer.error.details


def config(tmp_path: Path, *urls: str) -> dict[str, object]:
    tables = {f"p{place}": {"base_url": url} for place, url in enumerate(urls)}
    return {"DATABASE_URL": f"sqlite:///{tmp_path}/p.db", "providers": tables}


def test_check_names_unreadable_certificates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bad_file: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bad_file)
    assert problems_of(config(tmp_path, "http://models.example/v1")) == []
    (problem,) = problems_of(config(tmp_path, REMOTE, "https://other.example/v1"))
    assert problem.startswith("SSL_CERT_FILE ")


def test_check_names_a_missing_certificate_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert "SSL_CERT_DIR" in problems_of(config(tmp_path, REMOTE))[0]


# --- proxies

BAD_PROXIES = ["socks5://127.0.0.1:9", "socks5h://u:secret-pw@127.0.0.1:9", "socks4://h:1",
               "ftp://h:1", "http://", "http://h:99999"]  # fmt: skip


@pytest.mark.parametrize("proxy", BAD_PROXIES)
@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTPS_PROXY"])
def test_unusable_proxy_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)
    (problem,) = problems_of(config(tmp_path, REMOTE))
    assert "HTTPS_PROXY" in problem
    answer = ask(REMOTE)
    assert type(answer.error) is errors.ProxyFailed
    assert "secret-pw" not in problem + answer.error.details


@pytest.mark.parametrize("proxy", BAD_PROXIES)
def test_unusable_proxy_does_not_affect_local_and_excluded_hosts(
    server: LLMServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "models.example")
    assert ask(server.base_url).text == "ok"
    assert problems_of(config(tmp_path, REMOTE, server.base_url)) == []


def test_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    assert type(ask(REMOTE).error) is errors.ProxyFailed


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_excluded"),
    [
        ("10.0.0.0/8", "http://10.1.2.3:8000/v1", True),
        ("10.0.0.0/8", "http://11.1.2.3:8000/v1", False),
        ("192.168.1.7", "http://192.168.1.7/v1", True),
        ("fd00::/8", "http://[fd00::1]:8000/v1", True),
        ("[fd00::1]", "http://[fd00::1]:8000/v1", True),
        ("*.office.example", "https://llm.office.example/v1", True),
        ("*.office.example", "https://llm.other.example/v1", False),
        (".office.example", "https://llm.office.example/v1", True),
        ("office.example", "https://notoffice.example/v1", False),
        ("a.example b.example", "https://b.example/v1", True),
        ("a.example; b.example", "https://b.example/v1", True),
        ("https://b.example/", "https://b.example/v1", True),
        ("b.example:8443", "https://b.example:8443/v1", True),
        ("b.example:8443", "https://b.example/v1", False),
        ("B.Example", "https://b.example/v1", True),
        ("*", "https://b.example/v1", True),
        ("//,::,[", "https://b.example/v1", False),
    ],
)
def test_hosts_are_excluded_from_the_proxy(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, is_excluded: bool
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (environment_proxy(url) is None) is is_excluded


# --- base URLs


def base_url_of(url: str, name: str = "providers") -> str:
    values = {"providers": {"acme": {"base_url": url}}} if name == "providers" else {name: url}
    return endpoints(values)[0].base_url


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("https://a.example/v1/chat/completions", "https://a.example/v1"),
        ("https://a.example/v1/chat/completions/", "https://a.example/v1"),
        ("https://a.example/v1/completions", "https://a.example/v1"),
        ("https://a.example/v1/models", "https://a.example/v1"),
        ("https://a.example/v1/responses", "https://a.example/v1"),
        ("https://a.example/v1/audio/transcriptions", "https://a.example/v1"),
        ("https://a.example/api/v1/#top", "https://a.example/api/v1"),
        ("https://a.example/openai/v1?api-version=x", "https://a.example/openai/v1?api-version=x"),
        ("https://a.example/d/m/chat/completions?api-version=1", "https://a.example/d/m?api-version=1"),
        ("https://a.example", "https://a.example"),
        ("https://u:p@a.example:8443/v1/", "https://u:p@a.example:8443/v1"),
        ("https://a.example/models-api/v1", "https://a.example/models-api/v1"),
    ],
)  # fmt: skip
def test_base_url_is_normalized(typed: str, used: str) -> None:
    assert base_url_of(typed) == used


@pytest.mark.parametrize(
    ("name", "typed", "used"),
    [
        ("OLLAMA_BASE_URL", "http://box:11434", "http://box:11434/v1"),
        ("OLLAMA_BASE_URL", "http://box:11434/", "http://box:11434/v1"),
        ("LMSTUDIO_BASE_URL", "http://box:1234", "http://box:1234/v1"),
        ("VLLM_BASE_URL", "http://box:8000/proxy", "http://box:8000/proxy"),
        ("OPENAI_BASE_URL", "https://api.openai.com", "https://api.openai.com/v1"),
        ("OPENAI_BASE_URL", "https://proxy.example", "https://proxy.example"),
    ],
)
def test_known_servers_get_their_path(name: str, typed: str, used: str) -> None:
    assert base_url_of(typed, name) == used


def test_invalid_base_url_is_still_refused() -> None:
    for url in ("a.example/v1", "https://", "https://a b/v1", "https://a:99999/v1"):
        with pytest.raises(SettingsError, match="base_url"):
            base_url_of(url)


def test_endpoint_behind_a_typed_address_is_removed() -> None:
    settings = Settings(values={}, allow_own_keys=True, allow_custom_endpoints=True)
    url = "https://models.example/v1/chat/completions"
    own = OwnKeys(settings).read("other", "sk-123456", url)
    assert own.base_url == "https://models.example/v1"


def test_query_of_a_base_url_is_sent_with_each_request(server: LLMServer) -> None:
    answer = ask(f"{server.base_url}?api-version=preview")
    assert answer.text == "ok"
    assert server.targets[-1] == "/v1/chat/completions?api-version=preview"


def test_key_in_the_query_is_redacted(server: LLMServer) -> None:
    server.default = Script(status=400, body={"error": {"message": "bad secret-value-1"}})
    answer = ask(f"{server.base_url}?subscription-key=secret-value-1")
    assert answer.error is not None
    assert "secret-value-1" not in answer.error.details


@pytest.mark.parametrize(
    "script",
    [
        Script(status=404, body="<html>404 page not found</html>"),
        Script(status=404, body={"detail": "Not Found"}),
        Script(status=405, body={"error": "Method Not Allowed"}),
        Script(raw='{"error": "Unexpected endpoint or method. (POST /chat/completions)"}'),
        Script(raw="<!doctype html><html></html>"),
    ],
)
def test_missing_version_of_a_base_url_is_added(server: LLMServer, script: Script) -> None:
    server.without_version = script
    root = server.base_url.removesuffix("/v1")
    assert ask(root).text == "ok"


def test_missing_version_is_added_before_the_first_reply(server: LLMServer) -> None:
    root = server.base_url.removesuffix("/v1")
    acme = OpenAIProvider(Endpoint("acme", "Acme", root), Settings(values={}))
    server.without_version = Script(raw='{"error": "Unexpected endpoint or method. (GET /models)"}')

    async def run() -> None:
        await acme.discover()
        await acme.close()

    asyncio.run(run())
    assert acme.last_error is None
    assert len(acme.models()) > 1


def test_path_of_a_base_url_is_not_changed(server: LLMServer) -> None:
    server.without_version = Script(status=404, body="<html>404</html>")
    answer = ask(server.base_url.replace("/v1", "/api"))
    assert type(answer.error) is errors.MalformedResponse
    assert len(server.targets) == 1


def test_first_error_is_reported_if_the_version_does_not_help(server: LLMServer) -> None:
    server.without_version = Script(status=404, body={"detail": "Not Found"})
    server.default = Script(status=405, body="<html>nothing here</html>")
    answer = ask(server.base_url.removesuffix("/v1"))
    assert type(answer.error) is errors.MalformedResponse
    assert "Not Found" in answer.error.details

"""SSRF protection: a typed base URL is connected only if it is public."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
import pytest

from chat import errors
from chat.config.settings import Settings
from chat.domain.message import Role
from chat.providers.base import Delta, Request, Turn
from chat.providers.ssrf.public_address import is_public, parse_base_url
from chat.providers.ssrf.transport import GuardedTransport
from chat.providers.user_keys import OTHER, OwnKeys
from tests.support.llm_server import LLMServer, Script
from tests.support.tls_server import TlsServer

SETTINGS = Settings(values={}, max_retries=1, allow_custom_endpoints=True)
PUBLIC, ALSO_PUBLIC = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
HOST = "llm.parley.example.net"
ASK = Request("any", (Turn(Role.USER, "hello"),))

# {port} is the port of a listener on all loopback addresses.
REFUSED = [
    # loopback
    "https://127.0.0.1:{port}/v1",
    "https://127.8.9.10:{port}/v1",
    "https://localhost:{port}/v1",
    "https://LOCALHOST:{port}/v1",
    "https://localhost.:{port}/v1",
    "https://llm.localhost:{port}/v1",
    "https://localhost.localdomain:{port}/v1",
    "https://[::1]:{port}/v1",
    "https://[0:0:0:0:0:0:0:1]:{port}/v1",
    # other notations of loopback IPv4 addresses
    "https://127.1:{port}/v1",
    "https://127.0.1:{port}/v1",
    "https://2130706433:{port}/v1",
    "https://0x7f000001:{port}/v1",
    "https://0x7f.1:{port}/v1",
    "https://0x7f.0.0.0x1:{port}/v1",
    "https://017700000001:{port}/v1",
    "https://0177.0.0.1:{port}/v1",
    "https://127.0.0.01:{port}/v1",
    "https://127.0.0.1.:{port}/v1",
    "https://0:{port}/v1",
    "https://0.0.0.0:{port}/v1",
    # IPv4 embedded in IPv6
    "https://[::ffff:127.0.0.1]:{port}/v1",
    "https://[::ffff:7f00:1]:{port}/v1",
    "https://[::ffff:0:127.0.0.1]:{port}/v1",
    "https://[::127.0.0.1]:{port}/v1",
    "https://[64:ff9b::127.0.0.1]:{port}/v1",
    "https://[64:ff9b:1::7f00:1]:{port}/v1",
    "https://[2002:7f00:1::]:{port}/v1",
    "https://[2001:0:5ef5:79fd::80ff:fffe]:{port}/v1",
    "https://[::]:{port}/v1",
    # zone identifiers and unnecessary brackets
    "https://[fe80::1%25lo]:{port}/v1",
    "https://[::1%lo]:{port}/v1",
    "https://[127.0.0.1]:{port}/v1",
    "https://[v1.127.0.0.1]:{port}/v1",
    # other scripts and encodings
    "https://１２７.0.0.1:{port}/v1",
    "https://127。0。0。1:{port}/v1",
    "https://ⓛocalhost:{port}/v1",
    "https://ｌｏｃａｌｈｏｓｔ:{port}/v1",
    "https://%6cocalhost:{port}/v1",
    "https://127%2e0%2e0%2e1:{port}/v1",
    "https://localhost%00.example.com:{port}/v1",
    "https://loca\u00adlhost:{port}/v1",
    # ambiguous position of the host
    "https://example.com@127.0.0.1:{port}/v1",
    "https://example.com:443@localhost:{port}/v1",
    "https://127.0.0.1:{port}\\@example.com/v1",
    "https://example.com\\.localhost:{port}/v1",
    "https://127.0.0.1:{port}#@example.com/v1",
    "https://127.0.0.1:{port}?@example.com/v1",
    "https://example.com /v1",
    "https://example.com\n.localhost:{port}/v1",
    "https://exa\tmple.com/v1",
    "https:///127.0.0.1:{port}/v1",
    "https:127.0.0.1:{port}/v1",
    "//127.0.0.1:{port}/v1",
    "https://example.com:0/v1",
    "https://example.com:99999/v1",
    "https://-example.com/v1",
    "https://.example.com/v1",
    "https://example..com/v1",
    "https://" + "a." * 300 + "com/v1",
    "https:///v1",
    "",
    # not HTTPS
    "http://127.0.0.1:{port}/v1",
    "http://example.com/v1",
    "HTTP://example.com/v1",
    "ftp://example.com/v1",
    "file:///etc/passwd",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    # private and reserved networks
    "https://10.0.0.1/v1",
    "https://172.16.0.1/v1",
    "https://172.31.255.255/v1",
    "https://192.168.1.1/v1",
    "https://100.64.0.1/v1",
    "https://169.254.1.1/v1",
    "https://192.0.2.1/v1",
    "https://198.18.0.1/v1",
    "https://198.51.100.1/v1",
    "https://203.0.113.1/v1",
    "https://192.88.99.1/v1",
    "https://224.0.0.1/v1",
    "https://240.0.0.1/v1",
    "https://255.255.255.255/v1",
    "https://[fc00::1]/v1",
    "https://[fe80::1]/v1",
    "https://[fec0::1]/v1",
    "https://[ff02::1]/v1",
    "https://[100::1]/v1",
    "https://[2001:db8::1]/v1",
    "https://[2001:2::1]/v1",
    "https://[3fff::1]/v1",
    # cloud metadata services
    "https://169.254.169.254/latest/meta-data",
    "https://0xa9fea9fe/latest",
    "https://2852039166/latest",
    "https://[::ffff:169.254.169.254]/latest",
    "https://[fd00:ec2::254]/latest",
    "https://100.100.100.200/latest",
    "https://192.0.0.192/opc/v2",
    "https://168.63.129.16/machine",
    "https://metadata.google.internal/computeMetadata",
    "https://metadata/computeMetadata",
    # host names of private networks
    "https://printer.local/v1",
    "https://llm.corp/v1",
    "https://llm.lan/v1",
    "https://nas.home.arpa/v1",
    "https://1.0.0.127.in-addr.arpa/v1",
]
# DNS answers for a public host name, each with an address that must not be connected.
ANSWERS = [
    ["127.0.0.1"],
    ["::1"],
    ["10.1.2.3"],
    ["169.254.169.254"],
    ["fd00:ec2::254"],
    ["::ffff:127.0.0.1"],
    ["::ffff:93.184.215.14"],
    ["64:ff9b::7f00:1"],
    ["fe80::1%lo"],
    ["100.100.100.200"],
    ["0.0.0.0"],
    [PUBLIC, "127.0.0.1"],
    ["127.0.0.1", PUBLIC],
    [ALSO_PUBLIC, "::1"],
    ["nonsense"],
    [],
]
ALLOWED = [
    ("https://api.openai.com/v1", "https://api.openai.com/v1"),
    ("  https://API.Example.com:443/v1/ ", "https://api.example.com/v1"),
    ("https://llm.example.com:8443", "https://llm.example.com:8443"),
    ("https://münchen.example/v1", "https://xn--mnchen-3ya.example/v1"),
    ("https://93.184.215.14/v1", "https://93.184.215.14/v1"),
    (f"https://[{ALSO_PUBLIC}]:8443/v1", f"https://[{ALSO_PUBLIC}]:8443/v1"),
    ("https://localhost.example.com/v1", "https://localhost.example.com/v1"),
    ("https://example.com/v1/../v2", "https://example.com/v2"),
]


class FakeResolver:
    """Resolver that returns its answers in order and repeats the last one."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers, self.queries = list(answers), list[str]()

    async def __call__(self, host: str) -> list[str]:
        self.queries.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Listener:
    """A port on all local addresses that counts connections."""

    def __init__(self) -> None:
        self._socket = socket.create_server(
            ("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64
        )
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    def connections(self) -> int:
        count = 0
        with suppress(BlockingIOError):
            while True:
                self._socket.accept()[0].close()
                count += 1
        return count

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def call(url: str, names: FakeResolver | None = None) -> errors.ParleyError | None:
    """Discover the models of a typed URL and request a reply; return the error."""

    async def run() -> None:
        keys = OwnKeys(SETTINGS, names or FakeResolver(["127.0.0.1"]))
        own = keys.read(OTHER, "sk-mine", url)
        with pytest.raises(errors.ProviderError):
            await keys.discover(own)
        provider, _ = keys.resolve(f"{own.name}/any", own)
        async for _delta in provider.stream(ASK):
            pass

    try:
        asyncio.run(run())
    except errors.ParleyError as error:
        return error
    return None


def test_listener_counts_connections(listener: Listener) -> None:
    socket.create_connection(("127.0.0.1", listener.port)).close()
    socket.create_connection(("::1", listener.port)).close()
    assert listener.connections() == 2


@pytest.mark.parametrize("spelling", REFUSED)
def test_private_url_is_refused_in_every_notation(listener: Listener, spelling: str) -> None:
    error = call(spelling.format(port=listener.port))
    assert type(error) is errors.AddressRefused
    assert str(error) == errors.AddressRefused().sentence and not error.details
    assert listener.connections() == 0


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_host_that_resolves_to_a_private_address_is_refused(
    listener: Listener, answer: list[str]
) -> None:
    error = call(f"https://{HOST}:{listener.port}/v1", FakeResolver(answer))
    assert type(error) is errors.AddressRefused
    assert listener.connections() == 0


def test_unknown_host_is_reported_like_a_private_one(listener: Listener) -> None:
    error = call(
        f"https://{HOST}:{listener.port}/v1", FakeResolver(socket.gaierror(-2, "not known"))
    )
    assert type(error) is errors.AddressRefused and not error.details


@pytest.mark.parametrize(("typed", "read"), ALLOWED)
def test_public_url_is_normalized(typed: str, read: str) -> None:
    assert str(parse_base_url(typed)) == read
    assert parse_base_url(read) == parse_base_url(typed), "reading is not idempotent"


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, ALSO_PUBLIC, "172.32.0.1", "2a00:1450::1"])
def test_public_addresses_are_recognized(address: str) -> None:
    assert is_public(ip_address(address))


def test_parsed_host_equals_the_host_that_urllib_parses() -> None:
    for typed, _ in ALLOWED:
        by_others = urlsplit(typed.strip()).hostname or ""
        host = parse_base_url(typed).host
        assert host == by_others, "urllib parses another host"


def record(seen: list[httpx2.Request]) -> httpx2.MockTransport:
    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, stream=httpx2.ByteStream(b"{}"))

    return httpx2.MockTransport(handler)


def get(transport: httpx2.AsyncBaseTransport, *urls: str) -> None:
    async def run() -> None:
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
            for url in urls:
                await client.get(url)

    asyncio.run(run())


def test_dns_rebinding_does_not_change_the_pinned_address() -> None:
    seen: list[httpx2.Request] = []
    names, url = FakeResolver([PUBLIC], ["127.0.0.1"]), f"https://{HOST}/v1/models"
    guarded = GuardedTransport(parse_base_url(url), record(seen), resolve=names)
    get(guarded, url, url)
    assert [request.url.host for request in seen] == [PUBLIC, PUBLIC]
    assert [request.headers["host"] for request in seen] == [HOST, HOST]
    assert [request.extensions["sni_hostname"] for request in seen] == [HOST, HOST]
    assert names.queries == [HOST]


def test_dns_answer_after_a_failure_is_checked_again() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    url = f"https://{HOST}/v1/models"
    names = FakeResolver([PUBLIC], ["127.0.0.1"])
    guarded = GuardedTransport(parse_base_url(url), httpx2.MockTransport(refuse), resolve=names)
    with pytest.raises(httpx2.ConnectError):
        get(guarded, url)
    with pytest.raises(errors.AddressRefused):
        get(guarded, url)
    assert names.queries == [HOST, HOST]


@pytest.mark.parametrize(
    "url", ["https://other.example.com/v1", f"http://{HOST}/v1", f"https://{HOST}:444/v1"]
)
def test_guarded_transport_connects_to_one_host_only(url: str) -> None:
    seen: list[httpx2.Request] = []
    base = parse_base_url(f"https://{HOST}/v1")
    guarded = GuardedTransport(base, record(seen), resolve=FakeResolver([PUBLIC]))
    with pytest.raises(errors.AddressRefused):
        get(guarded, url)
    assert seen == []


@pytest.fixture(scope="module")
def llm() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture(scope="module")
def tls(llm: LLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    port = urlsplit(llm.base_url).port
    assert port is not None
    with TlsServer(tmp_path_factory.mktemp("tls"), [HOST], port) as server:
        yield server


Ask = Callable[[str], tuple[str, errors.ProviderError | None]]


@pytest.fixture
def ask(tls: TlsServer, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Request a reply from the TLS server by host name, with loopback allowed as public."""
    certificates = ssl.create_default_context(cafile=tls.authority)
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # must be ignored

    def ask(host: str) -> tuple[str, errors.ProviderError | None]:
        url = f"https://{host}:{tls.port}/v1"
        inner = httpx2.AsyncHTTPTransport(verify=certificates, trust_env=False)
        guarded = GuardedTransport(
            httpx2.URL(url),
            inner,
            resolve=FakeResolver(["127.0.0.1"]),
            check=lambda found: tuple(found),
        )
        return asyncio.run(read_reply(guarded, url))

    return ask


async def read_reply(
    transport: httpx2.AsyncBaseTransport, url: str
) -> tuple[str, errors.ProviderError | None]:
    from chat.config.settings import Endpoint
    from chat.providers.openai_compatible.client import OpenAIProvider

    endpoint, deltas = Endpoint("own-x", "X", url, "sk-mine"), list[Delta]()
    provider = OpenAIProvider(endpoint, Settings(values={}, max_retries=0), transport=transport)
    try:
        async for delta in provider.stream(ASK):
            deltas.append(delta)
    except errors.ProviderError as error:
        return "", error
    finally:
        await provider.close()
    return "".join(delta.text for delta in deltas), None


def test_connection_uses_the_checked_address_and_tls_verifies_the_host(
    ask: Ask, tls: TlsServer, llm: LLMServer
) -> None:
    llm.next(Script(text="pinned and verified"))
    assert ask(HOST) == ("pinned and verified", None)
    assert tls.hosts[-1] == HOST
    assert llm.requests[-1].headers["host"] == f"{HOST}:{tls.port}"
    assert llm.requests[-1].headers["accept-encoding"] == "identity"


def test_tls_refuses_another_host_at_the_same_address(ask: Ask, llm: LLMServer) -> None:
    before = len(llm.requests)
    text, error = ask("other.parley.example.net")
    assert text == "" and type(error) is errors.TlsFailed
    assert len(llm.requests) == before


def test_custom_endpoint_is_refused_unless_allowed() -> None:
    keys = OwnKeys(Settings(values={}))
    with pytest.raises(errors.Refused):
        keys.read(OTHER, "sk-mine", "https://llm.example.com/v1")
    allowed = OwnKeys(SETTINGS).read(OTHER, "sk-mine", "https://llm.example.com/v1")
    with pytest.raises(errors.UnknownModel):
        keys.resolve(f"{allowed.name}/any", allowed)


def test_endless_and_compressed_responses_are_refused() -> None:
    url = f"https://{HOST}/v1/models"

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("bomb"):
            return httpx2.Response(
                200, headers={"content-encoding": "gzip"}, stream=httpx2.ByteStream(b"")
            )
        return httpx2.Response(200, content=endless())

    for path, kind in (("", httpx2.ReadError), ("/bomb", httpx2.RemoteProtocolError)):
        guarded = GuardedTransport(
            parse_base_url(url), httpx2.MockTransport(answer), resolve=FakeResolver([PUBLIC])
        )
        with pytest.raises(kind):
            get(guarded, url + path)

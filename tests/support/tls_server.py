"""TLS server for any host name on loopback, in front of a plain HTTP server.

A `CONNECT` proxy resolves every host name to it, so that tests can call the real address of a
provider. Certificates are signed by a temporary certificate authority.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class TlsServer:
    """`with TlsServer(folder, names, port) as tls:` — `tls.port` speaks TLS, `tls.proxy` CONNECT.

    `authority` is the file with the CA certificate; `hosts` records the names requested by SNI.
    """

    def __init__(self, folder: Path, names: Iterable[str], behind: int) -> None:
        self.authority = folder / "authority.pem"
        self.hosts: list[str | None] = []
        self.connections = 0
        self.port = self._proxy_port = 0
        self._behind = behind
        self._context = _context(folder, tuple(names))
        self._context.sni_callback = lambda _socket, name, _context: self.hosts.append(name)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tls-server", daemon=True)

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self._proxy_port}"

    def __enter__(self) -> TlsServer:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._connections = set[asyncio.Task[None]]()
        tls = await asyncio.start_server(self._forward, "127.0.0.1", 0, ssl=self._context)
        proxy = await asyncio.start_server(self._proxied, "127.0.0.1", 0)
        self.port, self._proxy_port = (each.sockets[0].getsockname()[1] for each in (tls, proxy))
        self._started.set()
        await self._stop.wait()
        tls.close()
        proxy.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self._join(reader, writer, self._behind)

    async def _proxied(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await self._join(reader, writer, self.port)

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            self._connections.discard(task)
            writer.transport.abort()
            far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.close()


def _context(folder: Path, names: tuple[str, ...]) -> ssl.SSLContext:
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    begin = datetime.now(UTC) - timedelta(days=1)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    authority = (
        x509.CertificateBuilder(issuer, issuer, authority_key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), False)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        x509.CertificateBuilder(issuer, x509.Name([]), key.public_key())
        .serial_number(2)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

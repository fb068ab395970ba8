"""Certificates and proxies that the environment variables of the process set for providers.

A wrong variable affects only the endpoints that need it. `environment_problems` names it before
the first request.
"""

from __future__ import annotations

import importlib.util
import os
import re
import ssl
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_SCHEMES = {"http", "https", "socks5", "socks5h"}
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class UnusableCertificates(OSError):
    """The certificates that the environment names cannot be read."""


class UnusableProxy(OSError):
    """The proxy that the environment names cannot be used."""


def environment_problems(urls: Iterable[str]) -> list[str]:
    """Return one sentence for each variable that keeps Parley from connecting to `urls`."""
    problems = []
    for url in urls:
        proxy = environment_proxy(url)
        needs_certificates = urlsplit(url).scheme == "https" or (proxy or "").startswith("https:")
        problems += [certificate_problem() if needs_certificates else None, proxy_problem(proxy)]
    return list(dict.fromkeys(each for each in problems if each))


def certificate_problem() -> str | None:
    """Return why the certificates that the environment names cannot be used, if it names any."""
    name = next((each for each in _CERTIFICATES if os.environ.get(each)), None)
    if name is None:
        return None
    path = os.environ[name]
    try:
        if name == "SSL_CERT_DIR":
            return None if Path(path).is_dir() else f"{name} is not a folder: {path}"
        ssl.create_default_context(cafile=path)
    except OSError as error:  # also an SSLError
        reason = error.strerror or "no certificate in it"
        return f"{name} cannot be read, so no https connection is possible: {path} ({reason})"
    return None


def proxy_problem(proxy: str | None) -> str | None:
    """Return why a proxy of the environment cannot be used. Its address may hold a password."""
    if proxy is None:
        return None
    scheme = proxy.partition("://")[0].lower()
    names = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
    if scheme not in _SCHEMES:
        return f"{names} has a proxy of the unknown kind {scheme}://: use http:// or socks5://"
    if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        return (
            f"{names} has a SOCKS proxy, which needs the package socksio: run `pip install socksio`"
            ", or exclude the hosts with NO_PROXY"
        )
    try:
        parts = urlsplit(proxy)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    return None if is_address else f"{names} is not the address of a proxy"


def environment_proxy(url: str) -> str | None:
    """Return the URL of the proxy that the environment sets for `url`; None for a loopback host."""
    parts = urlsplit(url)
    host, proxies = parts.hostname or "", getproxies()
    if is_loopback(host) or _is_excluded(host, parts.port, proxies.get("no", "")):
        return None
    if proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.") or host.endswith(".localhost")


def _is_excluded(host: str, port: int | None, no_proxy: str) -> bool:
    """Return whether `NO_PROXY` names a host: by name, domain, address or network."""
    return any(_matches(host, port, each) for each in re.split(r"[\s,;]+", no_proxy) if each)


def _matches(host: str, port: int | None, entry: str) -> bool:
    entry = re.sub(r"^\w+://", "", entry.lower()).rstrip("/") or entry
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:  # one of them is a name
        pass
    name, _, entry_port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
    if entry_port and entry_port != str(port or ""):
        return False
    name = name.lstrip("*").lstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))

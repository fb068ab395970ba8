"""Validation of user-supplied base URLs: only public hosts are allowed. Pure.

A URL is parsed once, by the library that sends the request, and used in its normalized form, so
that parser differences cannot hide the host. Any spelling that is not plainly a public host is
refused; resolvers accept 0x7f.1 for 127.0.0.1, and no legitimate user needs it.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address, ip_network

import httpx2

from chat.errors import AddressRefused

_MAX_LENGTH = 500
_CHARACTERS = re.compile(r"[^\s\\%@?#\x00-\x20\x7f]+")  # without those that can hide the host
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter: a host that ends in a number is an IPv4 address.
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")
_PRIVATE_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "onion",
)
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        [
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata at 100.100.100.200
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host agent, in public address space
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",
            "224.0.0.0/3",  # multicast, reserved, broadcast
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which embeds an IPv4 address
            "3fff::/20",  # documentation
        ],
    )
)
# Covers every public IPv6 host. Excludes loopback, link-local, unique local and multicast addresses
# and embedded IPv4 addresses (mapped, compatible, NAT64).
_GLOBAL_UNICAST = ip_network("2000::/3")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether `address` belongs to a host on the public internet."""
    if address.version == 6 and (address not in _GLOBAL_UNICAST or address.scope_id):
        return False
    return not any(
        address in network for network in _NOT_PUBLIC if network.version == address.version
    )


def parse_base_url(typed: str) -> httpx2.URL:
    """Return the normalized form of a user-supplied base URL, without a DNS lookup.

    Raises `AddressRefused` for hosts that are not public and for any scheme but https, which
    protects the API key in transit.
    """
    text = typed.strip().rstrip("/")
    if len(text) > _MAX_LENGTH or not _CHARACTERS.fullmatch(text):
        raise AddressRefused
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise AddressRefused from None
    host = url.raw_host.decode("ascii")
    if url.scheme != "https" or url.userinfo or not _is_port(url.port) or not _may_be_public(host):
        raise AddressRefused
    return url


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port < 65536


def _may_be_public(host: str) -> bool:
    try:
        return is_public(ip_address(host))
    except ValueError:
        pass
    if len(host) > 253 or not _NAME.fullmatch(host):
        return False
    return not host.endswith(tuple(f".{name}" for name in _PRIVATE_NAMES))


def require_public(found: list[str]) -> tuple[str, ...]:
    """Return the resolved addresses without duplicates.

    Raises `AddressRefused` unless every address is public, because any of them may be connected to.
    """
    try:
        addresses = [ip_address(each) for each in found]
    except (AddressValueError, ValueError):
        raise AddressRefused from None
    if not addresses or not all(map(is_public, addresses)):
        raise AddressRefused
    return tuple(dict.fromkeys(map(str, addresses)))

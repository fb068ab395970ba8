"""Which addresses that somebody typed may be called: those of public servers. Pure.

An address is read once, by the library that will make the request, and written anew from what was
read; whoever calls it sees the same host. Every spelling that is not plainly a public host is
refused: nobody needs to write 127.0.0.1 as 0x7f.1, and a resolver would understand it.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address, ip_network

import httpx2

from chat.errors import AddressRefused

_LONGEST = 500
_CHARACTERS = re.compile(r"[^\s\\%@?#\x00-\x20\x7f]+")  # one of these hides what the host is
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter: what ends in a number is an IPv4 address in some spelling.
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
            "100.64.0.0/10",  # behind a provider's NAT; Alibaba's metadata at 100.100.100.200
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host agent, though the address is a public one
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays to 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",
            "224.0.0.0/3",  # multicast, reserved, broadcast
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address inside
            "3fff::/20",  # documentation
        ],
    )
)
# All that is assigned to public hosts. Outside lie loopback, link-local, unique local, multicast,
# and IPv4 addresses in other clothes: mapped, compatible, NAT64.
_GLOBAL_UNICAST = ip_network("2000::/3")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is that of a host in the public internet."""
    if address.version == 6 and (address not in _GLOBAL_UNICAST or address.scope_id):
        return False
    return not any(
        address in network for network in _NOT_PUBLIC if network.version == address.version
    )


def read_address(typed: str) -> httpx2.URL:
    """A typed base URL, in its one plain spelling. Raises `AddressRefused`; asks no name server.

    Only https: the key that goes there must not be read on the way.
    """
    text = typed.strip().rstrip("/")
    if len(text) > _LONGEST or not _CHARACTERS.fullmatch(text):
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


def checked(found: list[str]) -> tuple[str, ...]:
    """What a name server answered, if all of it is public. Raises `AddressRefused`.

    One private address among public ones is reason enough: nobody has it there by accident.
    """
    try:
        addresses = [ip_address(each) for each in found]
    except (AddressValueError, ValueError):
        raise AddressRefused from None
    if not addresses or not all(map(is_public, addresses)):
        raise AddressRefused
    return tuple(dict.fromkeys(map(str, addresses)))

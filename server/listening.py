"""The sockets on which this process accepts connections."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

_DESCRIPTORS = Path("/dev/fd")  # the open descriptors of this process; missing on Windows


def listening_sockets() -> Iterator[socket.socket]:
    """Yield a duplicate of each TCP socket that listens; it is closed after the iteration."""
    for name in os.listdir(_DESCRIPTORS) if _DESCRIPTORS.is_dir() else ():
        with suppress(OSError):  # closed since, such as the descriptor of the listing itself
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as found:
                if (
                    found.family in (socket.AF_INET, socket.AF_INET6)
                    and found.type == socket.SOCK_STREAM
                    and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                ):
                    yield found


def listens_to_others() -> bool:
    """Return whether other computers can connect to this process."""
    return any(not is_loopback(each.getsockname()[0]) for each in listening_sockets())


def is_loopback(host: str) -> bool:
    """Return whether an address of this machine is reachable from this machine only."""
    try:
        found = ip_address(host)
    except ValueError:  # a name, or the path of a Unix socket
        return True
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)

"""Why no connection came about, read from the chain of causes below the HTTP library's error."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

from chat import errors


def connection_fault(error: BaseException) -> type[errors.ProviderError]:
    """The class of error for a request that got no response at all."""
    causes = list(_causes(error))
    if any(isinstance(each, socket.gaierror) for each in causes):
        return errors.NameNotFound
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return errors.TlsFailed
    if any(isinstance(each, OSError) and each.errno == errno.ECONNREFUSED for each in causes):
        return errors.ConnectionRefused
    return errors.ConnectionLost


def described(error: BaseException) -> str:
    """The innermost cause in a few words, for the details."""
    last = list(_causes(error))[-1]
    return f"{type(last).__name__}: {last}" if str(last) else type(last).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += getattr(each, "exceptions", ())  # a group: one for each address that was tried
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]

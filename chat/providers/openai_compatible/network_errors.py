"""Classify connection failures by the chain of causes below the HTTP library's error."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

from chat import errors


def connection_error(error: BaseException) -> type[errors.ProviderError]:
    """Return the error class for a request that received no response."""
    causes = list(_causes(error))
    if any(isinstance(each, socket.gaierror) for each in causes):
        return errors.NameNotFound
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return errors.TlsFailed
    if any(isinstance(each, OSError) and each.errno == errno.ECONNREFUSED for each in causes):
        return errors.ConnectionRefused
    return errors.ConnectionLost


def describe_cause(error: BaseException) -> str:
    """Return the type and message of the innermost cause."""
    last = list(_causes(error))[-1]
    return f"{type(last).__name__}: {last}" if str(last) else type(last).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending = [error]
    while pending:
        each = pending.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        pending += getattr(each, "exceptions", ())  # a group has one error per address tried
        pending += [cause for cause in (each.__cause__, each.__context__) if cause is not None]

"""Request id shared by the log lines of one HTTP request or one click.

It is a context variable, so tasks started by the request on the reply event loop inherit it.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from secrets import token_hex

_VALID_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def request_id() -> str:
    """Return the current request id; empty outside of a request."""
    return _current.get()


def begin_request(given: str = "") -> str:
    """Start a new request and return its id: `given` if it is a valid id, else a random one."""
    id_ = given if _VALID_ID.fullmatch(given) else token_hex(8)
    _current.set(id_)
    return id_

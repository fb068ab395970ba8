"""The id that all log lines of one request, or of one click and what it set going, have in common.

It goes along into what is begun meanwhile on the loop of the replies. Means nothing but itself.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from secrets import token_hex

_KNOWN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def request_id() -> str:
    """The id of what is being done just now; empty outside of any request."""
    return _current.get()


def begin_request(given: str = "") -> str:
    """Begin another request, with the id that came along if it looks like one."""
    id_ = given if _KNOWN.fullmatch(given) else token_hex(8)
    _current.set(id_)
    return id_

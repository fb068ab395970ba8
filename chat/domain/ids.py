"""Time-ordered ids, and the filter for stored strings."""

from __future__ import annotations

import threading
import time
from secrets import token_hex


def storable(text: str) -> str:
    """Return `text` without characters that databases reject: NUL and lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode("utf-8")


_last_id = 0


_id_lock = threading.Lock()


def new_id() -> str:
    """Return a new id of 30 hexadecimal digits that sorts by creation time in microseconds.

    Ids of one process are strictly increasing, even if the clock is set back.
    """
    global _last_id
    with _id_lock:
        _last_id = max(_last_id + 1, time.time_ns() // 1000)
        return f"{_last_id:014x}{token_hex(8)}"

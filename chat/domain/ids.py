"""Time-ordered ids, and the text filter that every stored string passes."""

from __future__ import annotations

import threading
import time
from secrets import token_hex


def storable(text: str) -> str:
    """`text` without what a database may refuse: NUL characters and lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode("utf-8")


_last_id = 0


_id_lock = threading.Lock()


def new_id() -> str:
    """A fresh id of 30 hexadecimal digits that sorts by the time it was made (microseconds).

    Later ids of one process are always greater, whatever the clock does.
    """
    global _last_id
    with _id_lock:
        _last_id = max(_last_id + 1, time.time_ns() // 1000)
        return f"{_last_id:014x}{token_hex(8)}"

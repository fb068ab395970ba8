"""Read fields of untrusted JSON: each function returns a valid value or an empty one. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chat.domain.ids import storable

MAX_INTEGER = 2**31 - 1
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def text(value: Any, max_length: int | None = None) -> str:
    return storable(value)[:max_length] if isinstance(value, str) else ""


def optional_text(value: Any, max_length: int | None = None) -> str | None:
    """Return the text, or None if it is empty."""
    return text(value, max_length) or None


def integer(value: Any, maximum: int = MAX_INTEGER) -> int | None:
    """Return an integer from 0 to `maximum`, or None."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= maximum else None


def number(value: Any) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def timestamp(value: Any, now: datetime) -> datetime | None:
    """Return a time given as ISO 8601 or Unix seconds, or None unless in 2000 to tomorrow."""
    try:
        if isinstance(value, str) and len(value) <= 40:
            time = datetime.fromisoformat(value)
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        else:
            seconds = number(value)
            if seconds is None:
                return None
            time = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return time if _EARLIEST <= time <= now + timedelta(days=1) else None

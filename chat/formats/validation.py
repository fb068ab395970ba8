"""Fields of JSON that anybody may have written: of the right type and range, or nothing. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chat.domain.ids import storable

LARGEST_INT = 2**31 - 1
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def text(value: Any, longest: int | None = None) -> str:
    return storable(value)[:longest] if isinstance(value, str) else ""


def some_text(value: Any, longest: int | None = None) -> str | None:
    """A text that is not empty, or None."""
    return text(value, longest) or None


def whole_number(value: Any, most: int = LARGEST_INT) -> int | None:
    """A number from 0 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def moment(value: Any, now: datetime) -> datetime | None:
    """A time as ISO 8601 or in seconds since 1970, if it lies between 2000 and tomorrow."""
    try:
        if isinstance(value, str) and len(value) <= 40:
            found = datetime.fromisoformat(value)
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        else:
            seconds = number(value)
            if seconds is None:
                return None
            found = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if _EARLIEST <= found <= now + timedelta(days=1) else None

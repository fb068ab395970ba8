"""The wait that a provider asks for: in headers, in fields of the body, or in its words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from chat.providers.openai_compatible.error_body import ErrorBody

_MAX_SECONDS = 1e8
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AMOUNT = (
    r"\d+(?:\.\d+)?\s*(?:milliseconds?|msecs?|ms|days?|d|hours?|hrs?|h|minutes?|mins?|m"
    r"|seconds?|secs?|s)\b"
)
_AMOUNTS = re.compile(
    r"(?i)(?:try|retry|retrying|again|wait|reset|resets|available|after)\b[^.\d]{0,60}?"
    rf"((?:{_AMOUNT}(?:\s*(?:,|and)?\s*)|\d+[hm](?=\d))+)"
)
_PART = re.compile(r"(?i)(\d+(?:\.\d+)?)\s*(ms|mil|msec|d|h|m|s)")


def seconds_to_wait(body: ErrorBody, headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds until the next attempt; None if the response does not say."""
    found = retry_after_seconds(headers, now)
    found = body.wait if found is None else found
    return _from_words(body.message) if found is None else found


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the wait from `retry-after-ms`, or from the seconds or date in `retry-after`."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / per_second
        except ValueError:
            continue
        return seconds if 0 <= seconds < _MAX_SECONDS else None  # also rejects NaN
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError, IndexError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def _from_words(message: str) -> float | None:
    """Return the wait in a sentence such as "Please try again in 1m2.5s"."""
    match = _AMOUNTS.search(message[:2000])
    if match is None:
        return None
    seconds = 0.0
    for number, unit in _PART.findall(match[1]):
        name = unit.lower()
        seconds += float(number) * _UNITS["ms" if name.startswith(("ms", "mil")) else name[0]]
    return seconds if 0 < seconds < _MAX_SECONDS else None

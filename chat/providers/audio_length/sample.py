"""Helpers of the containers: numbers, and the duration of an Opus packet."""

from __future__ import annotations

MAX_PACKETS = 1_000_000  # looked at; five hours of usual ones
_SILK_MS = (10.0, 20.0, 40.0, 60.0)
_CELT_MS = (2.5, 5.0, 10.0, 20.0)


class Unmeasured(Exception):
    """The length cannot be determined from the bytes."""


def number(data: bytes, offset: int, width: int) -> int:
    """Return a big-endian number."""
    return int.from_bytes(data[offset : offset + width], "big")


def opus_seconds(data: bytes, offset: int) -> float:
    """Return the duration of the Opus packet at `offset`, from its table of contents."""
    config, code = data[offset] >> 3, data[offset] & 3
    if config < 12:
        duration = _SILK_MS[config & 3]
    elif config < 16:
        duration = _SILK_MS[config & 1]
    else:
        duration = _CELT_MS[config & 3]
    count = (1, 2, 2)[code] if code < 3 else max(1, data[offset + 1] & 0x3F)
    return min(count * duration, 120.0) / 1000

"""Length of a WebM with Opus: from its blocks."""

from __future__ import annotations

from chat.providers.audio_length.sample import MAX_PACKETS, Unmeasured, opus_seconds

_SEGMENT, _CLUSTER, _BLOCK_GROUP = 0x18538067, 0x1F43B675, 0xA0
_TRACKS, _TRACK = 0x1654AE6B, 0xAE
_CONTAINERS = {_SEGMENT, _CLUSTER, _BLOCK_GROUP, _TRACKS, _TRACK}
_TRACK_NUMBER, _CODEC = 0xD7, 0x86
_SIMPLE_BLOCK, _BLOCK = 0xA3, 0xA1
_LACING = 0x06  # flag of several frames in a block; their count follows


def seconds(audio: bytes) -> float:
    """Return the length of the longest Opus track. Raises `Unmeasured` if there is none."""
    offset, track, count = 0, 0, 0
    lengths: dict[int, float] = {}
    while offset + 2 <= len(audio):
        id_, size, offset = _element(audio, offset)
        count += 1
        if count > MAX_PACKETS:
            raise Unmeasured
        if id_ in _CONTAINERS:
            continue
        if id_ == _TRACK_NUMBER:
            track = int.from_bytes(audio[offset : offset + size], "big")
        elif id_ == _CODEC and audio[offset : offset + size].startswith(b"A_OPUS"):
            lengths[track] = 0.0
        elif id_ in (_SIMPLE_BLOCK, _BLOCK):
            number, start = _vint(audio, offset)
            if number in lengths:
                lengths[number] += _block_seconds(audio, start)
        offset += size
    if not any(lengths.values()):
        raise Unmeasured
    return max(lengths.values())


def _block_seconds(audio: bytes, offset: int) -> float:
    """Return the length of a block; `offset` is that of its time."""
    if not audio[offset + 2] & _LACING:
        return opus_seconds(audio, offset + 3)
    # The sizes of the frames precede them; 120 ms is the longest frame.
    return (audio[offset + 3] + 1) * 0.12


def _element(audio: bytes, offset: int) -> tuple[int, int, int]:
    """Return id, size and offset of the content of the element at `offset`."""
    width = 9 - audio[offset].bit_length()
    if width > 4:
        raise Unmeasured
    id_ = int.from_bytes(audio[offset : offset + width], "big")
    size, start = _vint(audio, offset + width)
    return id_, size, start


def _vint(audio: bytes, offset: int) -> tuple[int, int]:
    """Return a number of variable width, and the offset after it."""
    width = 9 - audio[offset].bit_length()
    if width > 8:
        raise Unmeasured
    value = int.from_bytes(audio[offset : offset + width], "big")
    return value & (1 << 7 * width) - 1, offset + width

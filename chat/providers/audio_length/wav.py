"""Length of a WAV: from the sample format and the bytes to the end of the file."""

from __future__ import annotations

from chat.providers.audio_length.frames import mpeg_seconds
from chat.providers.audio_length.sample import Unmeasured

_PCM, _ADPCM, _MS_ADPCM, _FLOAT, _A_LAW, _MU_LAW, _MP3, _EXTENSIBLE = (
    *(1, 0x11, 2, 3, 6, 7),
    *(0x55, 0xFFFE),
)
_MAX_CHUNKS = 1_000
_MAX_RATE, _MAX_CHANNELS, _MAX_BITS = 192_000, 8, 64


def seconds(audio: bytes) -> float:
    """Return the length of the data, up to the end of the file or to the chunks after it."""
    bytes_per_second, frame, tag, offset = 0.0, 1, 0, 12
    for _ in range(_MAX_CHUNKS):
        if offset + 8 > len(audio):
            return 0.0
        name, size = audio[offset : offset + 4], _number(audio, offset + 4, 4)
        offset += 8
        if name == b"data":
            end = offset + size if _has_chunks(audio, offset + size + size % 2) else len(audio)
            return _data_seconds(audio[offset:end], tag, bytes_per_second, frame)
        if name == b"fmt ":
            tag, bytes_per_second, frame = _format(audio, offset)
        offset += size + size % 2
    raise Unmeasured


def _has_chunks(audio: bytes, offset: int) -> bool:
    """Return whether the rest of the file is one or more complete chunks, such as a title."""
    for _ in range(_MAX_CHUNKS):
        if offset + 8 > len(audio):
            return False
        size = _number(audio, offset + 4, 4)
        offset += 8 + size + size % 2
        if len(audio) <= offset <= len(audio) + 1:
            return True
    return False


def _data_seconds(data: bytes, tag: int, bytes_per_second: float, frame: int) -> float:
    if not data:
        return 0.0
    if tag == _MP3:
        return mpeg_seconds(data)
    if not bytes_per_second:
        raise Unmeasured
    return len(data) // frame * frame / bytes_per_second


def _format(audio: bytes, offset: int) -> tuple[int, float, int]:
    """Return codec, bytes per second and bytes per frame; 0 a second for an unknown codec.

    The header declares the bytes per second as well, but decoders ignore that.
    """
    tag, channels = _number(audio, offset, 2), _number(audio, offset + 2, 2)
    rate, bits = _number(audio, offset + 4, 4), _number(audio, offset + 14, 2)
    if tag == _EXTENSIBLE:
        tag = _number(audio, offset + 24, 2)
    if tag in (_ADPCM, _MS_ADPCM):
        bits = 4
    elif tag not in (_PCM, _FLOAT, _A_LAW, _MU_LAW) or not bits:
        return tag, 0.0, 1
    channels, bits = min(max(channels, 1), _MAX_CHANNELS), min(bits, _MAX_BITS)
    frame = channels * bits / 8
    return tag, min(rate, _MAX_RATE) * frame, max(1, int(frame))


def _number(audio: bytes, offset: int, width: int) -> int:
    return int.from_bytes(audio[offset : offset + width], "little")

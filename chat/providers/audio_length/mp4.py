"""Length of an MP4 with AAC: from the number of its samples, whole or fragmented."""

from __future__ import annotations

from collections.abc import Iterator

from chat.providers.audio_length.frames import AAC_RATES, AAC_SAMPLES
from chat.providers.audio_length.sample import Unmeasured, number

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
_ALAC_SAMPLES = 4096  # of a packet
_MAX_BOXES = 1_000_000
_DECODER_CONFIG = b"\x05"  # tag of the descriptor with the AudioSpecificConfig
_EXPLICIT_RATE = 15


def seconds(audio: bytes) -> float:
    """Return the length of all audio samples. Raises `Unmeasured` for other codecs."""
    samples, rate, length = 0, 0, 0
    for name, start, end in _boxes(audio):
        if name == b"stsd":
            found = _codec(audio, start, end)
            length, rate = found or (length, rate)
        elif name == b"stsz":
            fixed, count = number(audio, start + 4, 4), number(audio, start + 8, 4)
            # A file cannot have more samples than it has bytes for.
            samples += min(count, len(audio) // fixed if fixed else (end - start - 12) // 4)
        elif name == b"stz2":
            samples += min(number(audio, start + 8, 4), 2 * (end - start))
        elif name == b"trun":
            samples += min(number(audio, start + 4, 4), len(audio))
    if not (samples and rate):
        raise Unmeasured
    return samples * length / rate


def _boxes(audio: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each box, also inside of containers."""
    offset = 0
    for _ in range(_MAX_BOXES):
        if offset + 8 > len(audio):
            return
        size, name, start = number(audio, offset, 4), audio[offset + 4 : offset + 8], offset + 8
        if size == 1:
            size, start = number(audio, offset + 8, 8), offset + 16
        end = min(offset + size, len(audio)) if size else len(audio)
        if end < start:
            return
        if name in _CONTAINERS:
            offset = start
            continue
        yield name, start, end
        offset = end
    raise Unmeasured


def _codec(audio: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Return samples per packet and sample rate of the audio in a sample description."""
    name, rate = audio[start + 12 : start + 16], number(audio, start + 40, 2)
    if name == b"alac":
        return _ALAC_SAMPLES, rate
    if name != b"mp4a":
        return None
    position = audio.find(b"esds", start, end)
    position = audio.find(_DECODER_CONFIG, position + 21, end) if position >= 0 else -1
    if position < 0:
        return None
    position += 1
    while audio[position] & 0x80:  # the bytes of the size
        position += 1
    config = number(audio, position + 1, 5)
    index = config >> 31 & 15
    if index == _EXPLICIT_RATE:
        return AAC_SAMPLES, config >> 7 & 0xFFFFFF
    return (AAC_SAMPLES, AAC_RATES[index]) if index < len(AAC_RATES) else None

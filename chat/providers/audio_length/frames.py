"""Length of streams with self-describing frames: MP3, AAC (ADTS) and FLAC."""

from __future__ import annotations

import functools
import re

from chat.providers.audio_length.sample import MAX_PACKETS, Unmeasured, number

_MPEG_RATES = (44_100, 48_000, 32_000)
_BITRATES_V1 = {  # kbit/s by layer
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_BITRATES_V2 = {
    1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
AAC_RATES = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
AAC_SAMPLES = 1024  # of a frame
_FLAC_RATES = (
    *(0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100),
    *(48_000, 96_000),
)
_FLAC_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_MIN_COVERED = 0.5  # of the bytes after the tag


def mpeg_seconds(audio: bytes) -> float:
    """Return the sum of all MP3 or AAC frames. Raises `Unmeasured` if most bytes are none."""
    start = offset = _id3_size(audio)
    total, covered, count = 0.0, 0, 0
    while (offset := audio.find(b"\xff", offset)) >= 0 and offset + 7 <= len(audio):
        count += 1
        if count > MAX_PACKETS:
            raise Unmeasured
        size, duration = _mpeg_frame(audio, offset)
        total, covered = total + duration, covered + size
        offset += size or 1
    if covered < _MIN_COVERED * (len(audio) - start) or not covered:
        raise Unmeasured
    return total


def _id3_size(audio: bytes) -> int:
    if not audio.startswith(b"ID3"):
        return 0
    size = functools.reduce(lambda sum_, byte: sum_ << 7 | byte & 0x7F, audio[6:10], 0)
    return size + 10 if size + 10 < len(audio) else 0


def _mpeg_frame(audio: bytes, offset: int) -> tuple[int, float]:
    """Return the size in bytes and the seconds of the frame at `offset`; zeros if it is none."""
    second, third = audio[offset + 1], audio[offset + 2]
    if second & 0xE0 != 0xE0:
        return 0, 0.0
    layer, version = 4 - (second >> 1 & 3), second >> 3 & 3  # versions: 0 is 2.5, 2 is 2, 3 is 1
    if layer == 4:
        return _adts_frame(audio, offset) if second & 0xF0 == 0xF0 else (0, 0.0)
    bitrate, rate_index, padding = (third >> 4) - 1, third >> 2 & 3, third >> 1 & 1
    if version == 1 or rate_index == 3 or not 0 <= bitrate < 14:
        return 0, 0.0
    rate = _MPEG_RATES[rate_index] >> (3 - version if version else 2)
    kbits = (_BITRATES_V1 if version == 3 else _BITRATES_V2)[layer][bitrate]
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    if layer == 1:
        return (12_000 * kbits // rate + padding) * 4, samples / rate
    return samples // 8 * 1000 * kbits // rate + padding, samples / rate


def _adts_frame(audio: bytes, offset: int) -> tuple[int, float]:
    header = number(audio, offset + 2, 5)
    rate_index, size = header >> 34 & 15, header >> 13 & 0x1FFF
    if rate_index >= len(AAC_RATES) or size < 8:
        return 0, 0.0
    blocks = (audio[offset + 6] & 3) + 1
    return size, blocks * AAC_SAMPLES / AAC_RATES[rate_index]


def flac_seconds(audio: bytes) -> float:
    """Return the sum of all FLAC frames. Raises `Unmeasured` if there are none."""
    stream_rate, total = number(audio, 18, 3) >> 4, 0.0
    for count, match in enumerate(_FLAC_SYNC.finditer(audio, 4, max(4, len(audio) - 14))):
        if count > MAX_PACKETS:
            raise Unmeasured
        total += _flac_frame(audio, match.start(), stream_rate)
    if not total:
        raise Unmeasured
    return total


def _flac_frame(audio: bytes, offset: int, stream_rate: int) -> float:
    """Return the seconds of the frame at `offset`; 0 if it is none."""
    size_code, rate_code = audio[offset + 2] >> 4, audio[offset + 2] & 15
    if not size_code or rate_code == 15 or audio[offset + 3] & 1:
        return 0.0
    end = offset + 4 + max(1, 8 - (~audio[offset + 4] & 0xFF).bit_length())  # a coded number
    samples = 192 if size_code == 1 else 576 << size_code - 2 if size_code < 6 else 0
    samples = samples or (256 << size_code - 8 if size_code >= 8 else 0)
    if size_code in (6, 7):
        width = size_code - 5
        samples, end = number(audio, end, width) + 1, end + width
    rate = _FLAC_RATES[rate_code] if rate_code < len(_FLAC_RATES) else 0
    if rate_code in (12, 13, 14):
        width = 1 if rate_code == 12 else 2
        rate, end = number(audio, end, width) * (1000, 1, 10)[rate_code - 12], end + width
    rate = rate or stream_rate
    is_frame = rate and end < len(audio) and _crc8(audio[offset:end]) == audio[end]
    return samples / rate if is_frame else 0.0


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _crc8_table()[crc ^ byte]
    return crc


@functools.cache
def _crc8_table() -> tuple[int, ...]:
    def shifted(value: int) -> int:
        for _ in range(8):
            value = (value << 1 ^ 7) & 0xFF if value & 0x80 else value << 1
        return value

    return tuple(map(shifted, range(256)))

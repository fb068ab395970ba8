"""Length of an Ogg stream with Opus or Vorbis: from its packets."""

from __future__ import annotations

from collections.abc import Iterator

from chat.providers.audio_length.sample import MAX_PACKETS, Unmeasured, opus_seconds


def seconds(audio: bytes) -> float:
    """Return the sum of all packets. Raises `Unmeasured` for other codecs."""
    packets = _packets(audio)
    first = next(packets, None)
    if first is None:
        raise Unmeasured
    if audio.startswith(b"OpusHead", first):
        next(packets, None)  # the comments
        return sum(opus_seconds(audio, offset) for offset in packets if offset < len(audio))
    if audio.startswith(b"\x01vorbis", first):
        rate = int.from_bytes(audio[first + 12 : first + 16], "little")
        if not rate:
            raise Unmeasured
        samples: int = (1 << (audio[first + 28] >> 4)) // 2
        return sum(1 for _ in packets) * samples / rate
    raise Unmeasured


def _packets(audio: bytes) -> Iterator[int]:
    """Yield the offset of each packet. Raises `Unmeasured` if there are too many."""
    offset, count, is_start = 0, 0, True
    while (offset := audio.find(b"OggS", offset)) >= 0 and offset + 27 <= len(audio):
        sizes = audio[offset + 27 : offset + 27 + audio[offset + 26]]
        offset += 27 + len(sizes)
        for size in sizes:
            if is_start:
                count += 1
                if count > MAX_PACKETS:
                    raise Unmeasured
                if size:
                    yield offset
            is_start = size < 255
            offset += size

"""Measure a recording in any known container. Pure, and linear in its size."""

from __future__ import annotations

from dataclasses import dataclass

from chat.providers.audio_length import frames, mp4, ogg, wav, webm
from chat.providers.audio_length.sample import Unmeasured

# Of speech codecs at low quality. It bounds the length of what cannot be measured.
LOWEST_BYTES_PER_SECOND = 2_000

_CONTAINERS = (
    (b"RIFF", wav.seconds),
    (b"OggS", ogg.seconds),
    (b"fLaC", frames.flac_seconds),
    (b"\x1a\x45\xdf\xa3", webm.seconds),
    (b"ID3", frames.mpeg_seconds),
    (b"\xff", frames.mpeg_seconds),
)


@dataclass(frozen=True, slots=True)
class Length:
    """The most seconds that a recording can have, measured or bounded by its size."""

    seconds: float
    is_measured: bool


def measure(audio: bytes) -> Length:
    """Return the length of a recording."""
    try:
        if audio[4:8] == b"ftyp":
            return Length(mp4.seconds(audio), is_measured=True)
        for signature, seconds in _CONTAINERS:
            if audio.startswith(signature):
                return Length(seconds(audio), is_measured=True)
    except (Unmeasured, IndexError):  # damaged, or with an unusual codec
        pass
    return Length(len(audio) / LOWEST_BYTES_PER_SECOND, is_measured=False)

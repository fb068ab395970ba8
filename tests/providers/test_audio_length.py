"""Length of recordings: as a decoder finds it, whatever the headers declare.

The samples in the corpus were encoded with FFmpeg from two seconds of a sine.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chat.config.settings import Settings
from chat.errors import RecordingTooLarge, RecordingTooLong
from chat.providers.audio_length.measure import LOWEST_BYTES_PER_SECOND, measure
from chat.providers.transcriber import check_recording

CORPUS = Path(__file__).parents[1] / "support" / "corpus" / "audio"
NAMES = sorted(each.name for each in CORPUS.iterdir())


def sample(name: str) -> bytes:
    return (CORPUS / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_length_of_a_recording_is_measured(name: str) -> None:
    length = measure(sample(name))
    assert length.is_measured
    assert 2.0 <= length.seconds < 2.3


@pytest.mark.parametrize("name", NAMES)
def test_recording_longer_than_allowed_is_refused(name: str) -> None:
    assert check_recording(sample(name), Settings(max_recording_seconds=2.0)).seconds >= 2.0
    with pytest.raises(RecordingTooLong):
        check_recording(sample(name), Settings(max_recording_seconds=1.0))


def wav(
    *,
    byte_rate: int = 8_000,
    size: int | None = None,
    channels: int = 1,
    tag: int = 1,
    bits: int = 8,
    after: bytes = b"",
) -> bytes:
    data = bytes(8_000 * 600)
    head = struct.pack("<IHHIIHH", 16, tag, channels, 8_000, byte_rate, 1, bits)
    declared = len(data) if size is None else size
    body = b"WAVEfmt " + head + b"data" + struct.pack("<I", declared) + data + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "audio",
    [
        wav(),
        wav(byte_rate=0xFFFFFFFE),
        wav(byte_rate=0),
        wav(size=0),
        wav(size=1_000),
        wav(size=0xFFFFFFF0),
        wav(size=1_000, after=b"\0" * 7),
        wav(bits=4, tag=0x11),
        wav(tag=6),
        wav(channels=2),
    ],
)
def test_wav_of_ten_minutes_is_refused_whatever_its_header_declares(audio: bytes) -> None:
    with pytest.raises(RecordingTooLong):
        check_recording(audio, Settings(max_recording_seconds=60.0))


def without_ogg_positions(audio: bytes) -> bytes:
    parts = audio.split(b"OggS")
    return b"OggS".join(part[:2] + bytes(8) + part[10:] if part else part for part in parts)


def without_mp4_durations(audio: bytes) -> bytes:
    data = bytearray(audio)
    for name, start, end in ((b"mvhd", 16, 24), (b"mdhd", 16, 24), (b"tkhd", 24, 28)):
        offset = data.find(name)
        data[offset + start : offset + end] = bytes(end - start)
    offset = data.find(b"stts")
    data[offset + 8 :] = data[offset + 8 :].replace(b"\0\0\4\0", b"\0\0\0\0", 1)
    return bytes(data)


LIES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "positions of Opus": ("opus.ogg", without_ogg_positions),
    "positions of Vorbis": ("vorbis.ogg", without_ogg_positions),
    "durations of an MP4": ("aac.m4a", without_mp4_durations),
    "durations of a fragmented MP4": ("fragmented.mp4", without_mp4_durations),
    "samples of a FLAC": ("flac.flac", lambda audio: audio[:21] + bytes(5) + audio[26:]),
    "frames of an MP3": (
        "mp3.mp3",
        lambda audio: audio.replace(b"Info", b"Xing\0\0\0\1\0\0\0\1", 1),
    ),
    "duration of a WebM": ("opus.webm", lambda audio: audio.replace(b"\x44\x89", b"\xec\x82", 1)),
    "a title of an MP3": ("mp3.mp3", lambda audio: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + audio),
}


@pytest.mark.parametrize(("name", "change"), LIES.values(), ids=list(LIES))
def test_length_does_not_depend_on_declared_lengths(
    name: str, change: Callable[[bytes], bytes]
) -> None:
    assert measure(change(sample(name))).seconds >= 1.9


@pytest.mark.parametrize(
    "audio",
    [b"#!AMR\n", b"\xff\xfb\x90\x64", b"OggS", b"fLaC", b"\x1a\x45\xdf\xa3", b"\0\0\0\x20ftypisom"],
)
def test_recording_that_cannot_be_measured_is_bounded_by_its_size(audio: bytes) -> None:
    settings = Settings(max_recording_seconds=10.0)
    check_recording(audio.ljust(10 * LOWEST_BYTES_PER_SECOND, b"."), settings)
    with pytest.raises(RecordingTooLarge):
        check_recording(audio.ljust(11 * LOWEST_BYTES_PER_SECOND, b"."), settings)


HOSTILE = {
    "sync words": b"\xff" * 4_000_000,
    "FLAC sync words": b"fLaC" + b"\xff\xf8" * 2_000_000,
    "Ogg pages": b"OggS" * 1_000_000,
    "packets of no bytes": (b"OggS" + bytes(22) + b"\xff" + bytes(255)) * 14_000,
    "elements": b"\x1a\x45\xdf\xa3\x80" + b"\xec\x80" * 2_000_000,
    "boxes": b"\0\0\0\x08ftyp" * 500_000,
    "chunks": b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 500_000,
    "noise": b"\xff" + os.urandom(4_000_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("audio", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_recording_is_measured_quickly(audio: bytes) -> None:
    started = time.process_time()
    measure(audio)
    assert time.process_time() - started < 8


@pytest.mark.parametrize("name", NAMES)
def test_damaged_recording_never_raises(name: str) -> None:
    audio = sample(name)
    for cut in range(0, len(audio), 97):
        measure(audio[:cut])
        measure(audio[:cut] + b"\xff\xff\xff\xff" + audio[cut + 4 :])

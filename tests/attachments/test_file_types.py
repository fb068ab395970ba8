"""Tests for the detection of file types."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.attachments.file_names import clean_name
from chat.attachments.file_types import detect_file_type, is_audio
from chat.errors import FileRefused
from tests.support import sample_files as sample


@given(st.text(max_size=20), st.binary(max_size=300))
def test_random_bytes_raise_only_file_refused(name: str, data: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF-"):
        with suppress(FileRefused):
            assert detect_file_type(clean_name(name), start + data).reader
        assert is_audio(name, start + data) in {True, False}


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVEfmt ", True),
        ("a", b"ID3\x04\x00" + bytes(20), True),
        ("a", b"\xff\xfb\x90\x64" + bytes(20), True),
        ("a", b"OggS" + bytes(20), True),
        ("a", b"fLaC" + bytes(20), True),
        ("voice.m4a", sample.MP4.replace(b"isom", b"M4A "), True),
        ("a.webm", b"\x1a\x45\xdf\xa3" + bytes(20), True),
        ("unclear.mp3", bytes(20), True),
        ("unclear.bin", bytes(20), False),
        ("photo.mp3", sample.photo(), False),
        ("picture.webp", sample.photo("WEBP"), False),
        ("photo.heic", b"\x00\x00\x00\x18ftypheic" + bytes(20), False),
        ("notes.mp3", b"only notes", False),
    ],
)
def test_audio_is_detected_by_content_or_extension(name: str, data: bytes, expected: bool) -> None:
    assert is_audio(name, data) is expected

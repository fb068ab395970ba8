"""Transcriber protocol, and validation of recordings before upload.

Checks what the bytes of a recording reveal: its format, size and, for a WAV, duration. Only the
speech service can detect that a recording is silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chat.config.settings import Settings
from chat.domain.sizes import human_size
from chat.errors import RecordingEmpty, RecordingTooLarge, RecordingTooLong


class Transcriber(Protocol):
    """Speech recognition service. Use it from one event loop.

    `label` is shown to users; `ref` is "provider/model id", as in the ledger.
    """

    @property
    def label(self) -> str: ...

    @property
    def ref(self) -> str: ...

    async def transcribe(self, audio: bytes, file_name: str, media_type: str) -> str:
        """Return the text of a recording, never empty.

        Raises `NoSpeechDetected`, another `VoiceRefused` or a `ProviderError`. Closes the
        connection when cancelled.
        """
        ...

    async def close(self) -> None:
        """Close the open connections."""
        ...


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """File name and media type for the upload of a recording."""

    file_name: str
    media_type: str


_WAV = AudioFormat("recording.wav", "audio/wav")
_MP4 = AudioFormat("recording.mp4", "audio/mp4")
_M4A = AudioFormat("recording.m4a", "audio/mp4")
_MP3 = AudioFormat("recording.mp3", "audio/mpeg")
_AAC = AudioFormat("recording.aac", "audio/aac")
_UNKNOWN = AudioFormat("recording", "application/octet-stream")
_SIGNATURES = {
    b"\x1a\x45\xdf\xa3": AudioFormat("recording.webm", "audio/webm"),
    b"OggS": AudioFormat("recording.ogg", "audio/ogg"),
    b"fLaC": AudioFormat("recording.flac", "audio/flac"),
    b"ID3": _MP3,
}
_UNKNOWN_SIZES = {0, 0xFFFFFFFF}  # data size in the header of a WAV that was streamed


def build_transcriber(settings: Settings) -> Transcriber | None:
    """Return the configured transcriber, or None. Sends no request. Raises `SettingsError`."""
    from chat.providers.endpoints import transcription_endpoint

    found = transcription_endpoint(settings)
    if found is None:
        return None
    from chat.providers.openai_compatible.speech import OpenAITranscriber

    return OpenAITranscriber(*found, settings)


def check_recording(audio: bytes, settings: Settings) -> AudioFormat:
    """Return the format of `audio`, detected from its content.

    An unknown format is sent without a media type; the service may support it. Raises
    `RecordingEmpty` or `RecordingTooLarge`, and for a WAV also `RecordingTooLong`.
    """
    max_bytes = int(settings.max_recording_mb * 1_000_000)
    if len(audio) > max_bytes:
        size, limit = human_size(len(audio)), human_size(max_bytes)
        raise RecordingTooLarge(size if size != limit else f"{len(audio):,} bytes", limit)
    detected = _detect_format(audio)
    seconds = _wav_seconds(audio) if detected is _WAV else None
    if not audio or seconds == 0:
        raise RecordingEmpty
    if seconds is not None and seconds > settings.max_recording_seconds:
        raise RecordingTooLong(seconds, settings.max_recording_seconds)
    return detected


def _detect_format(audio: bytes) -> AudioFormat:
    if audio[:4] == b"RIFF" and audio[8:12] == b"WAVE":
        return _WAV
    if audio[4:8] == b"ftyp":
        return _M4A if audio[8:11] in {b"M4A", b"M4B"} else _MP4
    for signature, detected in _SIGNATURES.items():
        if audio.startswith(signature):
            return detected
    # MPEG audio begins with eleven set bits, a version and a layer; AAC has no layer.
    if len(audio) > 1 and audio[0] == 0xFF and audio[1] & 0xE0 == 0xE0:
        return _MP3 if audio[1] & 0x06 else _AAC
    return _UNKNOWN


def _wav_seconds(audio: bytes) -> float | None:
    """Return the duration of a WAV; None if its header lacks the bytes per second."""
    bytes_per_second, frame = 0, 1
    offset = 12
    while offset + 8 <= len(audio):
        name, size = audio[offset : offset + 4], _number(audio, offset + 4, 4)
        offset += 8
        if name == b"data":
            rest = len(audio) - offset
            size = rest if size in _UNKNOWN_SIZES else min(size, rest)
            if size < frame:
                return 0.0
            return size / bytes_per_second if bytes_per_second else None
        if name == b"fmt ":
            frame = max(1, _number(audio, offset + 12, 2))
            bytes_per_second = (
                _number(audio, offset + 8, 4) or _number(audio, offset + 4, 4) * frame
            )
        offset += size + size % 2
    return 0.0


def _number(audio: bytes, offset: int, width: int) -> int:
    return int.from_bytes(audio[offset : offset + width], "little")

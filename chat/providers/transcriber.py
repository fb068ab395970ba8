"""Transcriber protocol, and validation of recordings before upload.

Checks what the bytes of a recording reveal: its format, size and length. Only the speech service
can detect that a recording is silent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from chat.config.settings import Settings
from chat.domain.sizes import human_size
from chat.errors import RecordingEmpty, RecordingTooLarge, RecordingTooLong
from chat.providers.audio_length.measure import LOWEST_BYTES_PER_SECOND, measure


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
    """File name and media type for the upload of a recording, and its length at most."""

    file_name: str
    media_type: str
    seconds: float = field(default=0.0, compare=False)


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
_PADDING = 0.5  # seconds that encoders add


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
    `RecordingEmpty`, `RecordingTooLarge` or `RecordingTooLong`.
    """
    max_bytes = int(settings.max_recording_mb * 1_000_000)
    if len(audio) > max_bytes:
        size, limit = human_size(len(audio)), human_size(max_bytes)
        raise RecordingTooLarge(size if size != limit else f"{len(audio):,} bytes", limit)
    detected, length, most = _detect_format(audio), measure(audio), settings.max_recording_seconds
    if not audio or (length.is_measured and not length.seconds):
        raise RecordingEmpty
    if not length.is_measured and length.seconds > most:
        max_bytes = int(most * LOWEST_BYTES_PER_SECOND)
        raise RecordingTooLarge(human_size(len(audio)), human_size(max_bytes))
    if length.seconds > most + (0 if detected is _WAV else _PADDING):
        raise RecordingTooLong(length.seconds, most)
    return replace(detected, seconds=length.seconds)


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

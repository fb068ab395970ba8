"""The seam to whoever turns speech into text, and what a recording must be to be sent there.

What can be told from a recording's own bytes is told here, before anybody is called; that a
recording is silent cannot be: whoever listens decides that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chat.config.settings import Settings
from chat.domain.sizes import human_size
from chat.errors import RecordingEmpty, RecordingTooLarge, RecordingTooLong


class Transcriber(Protocol):
    """Turns recordings into text. Used from one event loop; `label` is what people read.

    `ref` is "provider/model id", as the ledger names it.
    """

    @property
    def label(self) -> str: ...

    @property
    def ref(self) -> str: ...

    async def transcribe(self, audio: bytes, file_name: str, media_type: str) -> str:
        """The words of a recording, never empty.

        Raises `NoSpeechDetected`, another `VoiceRefused` or a `ProviderError`, and closes its
        connection when it is cancelled.
        """
        ...

    async def close(self) -> None:
        """Close the connections kept alive."""
        ...


@dataclass(frozen=True, slots=True)
class AudioKind:
    """What a recording is sent as."""

    file_name: str
    media_type: str


_WAV = AudioKind("recording.wav", "audio/wav")
_MP4 = AudioKind("recording.mp4", "audio/mp4")
_M4A = AudioKind("recording.m4a", "audio/mp4")
_MP3 = AudioKind("recording.mp3", "audio/mpeg")
_AAC = AudioKind("recording.aac", "audio/aac")
_UNKNOWN = AudioKind("recording", "application/octet-stream")
_BEGINNINGS = {
    b"\x1a\x45\xdf\xa3": AudioKind("recording.webm", "audio/webm"),
    b"OggS": AudioKind("recording.ogg", "audio/ogg"),
    b"fLaC": AudioKind("recording.flac", "audio/flac"),
    b"ID3": _MP3,
}
_NOT_YET_KNOWN = {0, 0xFFFFFFFF}  # a size in the header of a WAV that was written as it came


def build_transcriber(settings: Settings) -> Transcriber | None:
    """The configured one, or None. Raises `SettingsError`; calls nobody."""
    from chat.providers.endpoints import transcription_endpoint

    found = transcription_endpoint(settings)
    if found is None:
        return None
    from chat.providers.openai_compatible.speech import OpenAITranscriber

    return OpenAITranscriber(*found, settings)


def check_recording(audio: bytes, settings: Settings) -> AudioKind:
    """What `audio` is, by its content; how long it is can only be told of a WAV.

    What is not recognised is sent under no type: whoever listens may know it. Raises
    `RecordingEmpty`, `RecordingTooLarge` or `RecordingTooLong`.
    """
    most = int(settings.max_recording_mb * 1_000_000)
    if len(audio) > most:
        size, limit = human_size(len(audio)), human_size(most)
        raise RecordingTooLarge(size if size != limit else f"{len(audio):,} bytes", limit)
    kind = _kind(audio)
    seconds = _wav_seconds(audio) if kind is _WAV else None
    if not audio or seconds == 0:
        raise RecordingEmpty
    if seconds is not None and seconds > settings.max_recording_seconds:
        raise RecordingTooLong(seconds, settings.max_recording_seconds)
    return kind


def _kind(audio: bytes) -> AudioKind:
    if audio[:4] == b"RIFF" and audio[8:12] == b"WAVE":
        return _WAV
    if audio[4:8] == b"ftyp":
        return _M4A if audio[8:11] in {b"M4A", b"M4B"} else _MP4
    for beginning, kind in _BEGINNINGS.items():
        if audio.startswith(beginning):
            return kind
    # MPEG audio begins with eleven set bits, a version and a layer; AAC has no layer.
    if len(audio) > 1 and audio[0] == 0xFF and audio[1] & 0xE0 == 0xE0:
        return _MP3 if audio[1] & 0x06 else _AAC
    return _UNKNOWN


def _wav_seconds(audio: bytes) -> float | None:
    """How long a WAV plays; None when its header does not say how many bytes make a second."""
    bytes_per_second, frame = 0, 1
    place = 12
    while place + 8 <= len(audio):
        name, size = audio[place : place + 4], _number(audio, place + 4, 4)
        place += 8
        if name == b"data":
            rest = len(audio) - place
            size = rest if size in _NOT_YET_KNOWN else min(size, rest)
            if size < frame:
                return 0.0
            return size / bytes_per_second if bytes_per_second else None
        if name == b"fmt ":
            frame = max(1, _number(audio, place + 12, 2))
            bytes_per_second = _number(audio, place + 8, 4) or _number(audio, place + 4, 4) * frame
        place += size + size % 2
    return 0.0


def _number(audio: bytes, place: int, width: int) -> int:
    return int.from_bytes(audio[place : place + width], "little")

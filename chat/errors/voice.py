"""Recordings that cannot be transcribed."""

from __future__ import annotations

from chat.errors.base import Refused


class VoiceRefused(Refused):
    """A recording cannot be transcribed. The page keeps it until it is discarded."""

    code = "voice_refused"


class TranscriptionUnavailable(VoiceRefused):
    code = "no_transcription"
    sentence = "Dictation is off. Set OPENAI_API_KEY or TRANSCRIPTION_BASE_URL to turn it on."


class RecordingEmpty(VoiceRefused):
    code = "recording_empty"
    sentence = "Nothing was recorded. Check the microphone, then record again."


class RecordingTooLarge(VoiceRefused):
    code = "recording_too_large"
    sentence = (
        "This recording has {size}; at most {limit} can be transcribed. "
        "Record it in shorter pieces."
    )

    def __init__(self, size: str, limit: str) -> None:
        super().__init__(size=size, limit=limit)


class RecordingTooLong(VoiceRefused):
    code = "recording_too_long"
    sentence = (
        "This recording is {seconds:.0f} s long; at most {limit:.0f} s can be transcribed. "
        "Record it in shorter pieces."
    )

    def __init__(self, seconds: float, limit: float) -> None:
        super().__init__(seconds=seconds, limit=limit)


class NoSpeechDetected(VoiceRefused):
    code = "nothing_heard"
    sentence = (
        "No speech was detected in this recording. Try again, or record closer to the microphone."
    )

"""Recordings that cannot become text."""

from __future__ import annotations

from chat.errors.base import Refused


class VoiceRefused(Refused):
    """A recording that cannot be turned into text; it is kept until it is discarded."""

    code = "voice_refused"


class TranscriptionUnavailable(VoiceRefused):
    code = "no_transcription"
    sentence = "Dictation is off: set OPENAI_API_KEY or TRANSCRIPTION_BASE_URL to turn it on."


class RecordingEmpty(VoiceRefused):
    code = "recording_empty"
    sentence = "Nothing was recorded. Check the microphone, then record again."


class RecordingTooLarge(VoiceRefused):
    code = "recording_too_large"

    def __init__(self, size: str, limit: str) -> None:
        super().__init__(
            f"This recording has {size}; at most {limit} can be transcribed. "
            "Record it in shorter pieces."
        )


class RecordingTooLong(VoiceRefused):
    code = "recording_too_long"

    def __init__(self, seconds: float, limit: float) -> None:
        super().__init__(
            f"This recording is {seconds:.0f} s long; at most {limit:.0f} s can be transcribed. "
            "Record it in shorter pieces."
        )


class NoSpeechDetected(VoiceRefused):
    code = "nothing_heard"
    sentence = (
        "No words were heard in this recording. Try again, or record it closer to the microphone."
    )

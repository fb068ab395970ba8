"""Errors of speech recognition, derived from the errors of a reply. Pure.

The sentences of a reply's errors mention replies, their settings and the list of models; the
classes here replace those sentences for a recording.
"""

from __future__ import annotations

import re

from chat import errors

_TOO_LONG = re.compile(
    r"(?:longer|larger|bigger) than|too (?:long|large|big)|size limit"
    r"|maximum (?:content |file |audio )?(?:size|length|duration)"
)
_TOO_SHORT = re.compile(r"too[ _]short")


class SpeechFailed(errors.ProviderError):
    sentence = "{provider} could not turn the recording into text. Try again."


class SpeechModelUnknown(errors.UnknownModel):
    sentence = (
        "{provider} does not know the speech model “{model}”. "
        "Check TRANSCRIPTION_MODEL in the configuration."
    )


class SpeechNotPermitted(errors.NoPermission):
    sentence = (
        "The API key may not use the speech model “{model}” at {provider}. "
        "Extend its permissions, or set another TRANSCRIPTION_MODEL."
    )


class SpeechNotOffered(errors.MalformedResponse):
    sentence = (
        "{provider} sent a response that is not a transcription. "
        "Check that it turns speech into text, and that TRANSCRIPTION_BASE_URL is right."
    )


class SpeechDown(errors.ProviderDown):
    sentence = "{provider} has a problem on its side. Try again in a moment."


class SpeechTimeout(errors.FirstTokenTimeout):
    sentence = (
        "{provider} did not turn the recording into text within {seconds:g} s. "
        "Try again, or record something shorter."
    )


class RecordingNotRead(errors.BadRequest):
    sentence = (
        "{provider} rejected this recording. It may be damaged "
        "or in an unsupported format. Record it again."
    )


class LanguageRefused(errors.RefusedParameter):
    sentence = (
        "{provider} does not support “{language}” as the language of a recording. "
        "Check TRANSCRIPTION_LANGUAGE in the configuration."
    )


_SPEECH_ERRORS: dict[type[errors.ProviderError], type[errors.ProviderError]] = {
    errors.ProviderError: SpeechFailed,
    errors.UnknownModel: SpeechModelUnknown,
    errors.NoPermission: SpeechNotPermitted,
    errors.MalformedResponse: SpeechNotOffered,
    errors.ProviderDown: SpeechDown,
    errors.StreamInterrupted: errors.ConnectionLost,
    errors.BadRequest: RecordingNotRead,
    errors.RefusedParameter: RecordingNotRead,
    errors.ContentFiltered: RecordingNotRead,
}


def to_speech_error(
    error: errors.ProviderError, *, provider: str, model: str, language: str | None
) -> errors.ParleyError:
    """Return the error to show for a recording when the provider answered with `error`."""
    kind, details = _SPEECH_ERRORS.get(type(error), type(error)), error.details.lower()
    if kind is RecordingNotRead and _TOO_SHORT.search(details):
        return errors.NoSpeechDetected(details=error.details)
    if kind is RecordingNotRead and language and "language" in details:
        kind = LanguageRefused
    elif kind is errors.ContextTooLong or (kind is RecordingNotRead and _TOO_LONG.search(details)):
        return errors.VoiceRefused(
            f"This recording is too large for {provider}. Record it in shorter pieces.",
            details=error.details,
        )
    if kind is type(error):
        return error
    return kind(
        provider,
        details=error.details,
        retry_at=error.retry_at,
        model=model,
        language=language,
    )

"""Speech: transcribe a recording, and record the call in the ledger."""

from __future__ import annotations

import time
from concurrent.futures import Future

from chat.domain.attachment import File
from chat.domain.calls import NewCall
from chat.domain.message import Status
from chat.errors import ModelDisabled, ServiceClosed, TranscriptionUnavailable
from chat.providers.audio_downsampling import downsample
from chat.providers.transcriber import check_recording
from chat.services.scope import Scope


class SpeechService:
    def __init__(self, scope: Scope) -> None:
        self._scope, self._runtime = scope, scope.runtime
        self._transcriber, self._billing = scope.runtime.transcriber, scope.runtime.billing

    @property
    def problem(self) -> str:
        """Return the reason why dictation is not available; empty if it is."""
        return "" if self._transcriber else TranscriptionUnavailable.sentence

    def transcribe(self, recording: File) -> Future[str]:
        """Request the text of a recording.

        Raises `VoiceRefused`, `ModelDisabled` or an error of the limits; the future may raise a
        `VoiceRefused` or a `ProviderError`.
        """
        self._scope.require_owner()
        if self._transcriber is None:
            raise TranscriptionUnavailable
        settings, audio = self._runtime.settings, recording.data
        if len(audio) > settings.max_recording_mb * 1_000_000:
            audio = downsample(audio)  # browsers record a few minutes as more than endpoints accept
        kind = check_recording(audio, settings)
        ref = self._transcriber.ref
        if self._billing.kill_switch.is_off(ref):
            raise ModelDisabled(ref)
        call = self._billing.transcription(
            self._scope.owner, ref, self._runtime.worker.name, kind.seconds
        )
        self._billing.ledger.add(call)
        started = time.monotonic()
        runner = self._runtime.runner
        try:
            text: Future[str] = runner.submit(
                self._transcriber.transcribe(audio, kind.file_name, kind.media_type)
            )
        except ServiceClosed:
            self._billing.ledger.drop(call.id)
            raise
        # Runs as well when the future is cancelled before it has started.
        text.add_done_callback(
            lambda done: runner.write_soon(
                "storing the end of a transcription",
                lambda: self._end(call, done, started, kind.seconds),
            )
        )
        return text

    def _end(self, call: NewCall, done: Future[str], started: float, seconds: float) -> None:
        status, tokens, code = Status.STOPPED, 0, None
        if not done.cancelled():
            error = done.exception()
            status = Status.FAILED if error else Status.COMPLETE
            code = getattr(error, "code", None)
            tokens = 0 if error else self._runtime.tokenizer.count(done.result()).tokens
        total_ms = round((time.monotonic() - started) * 1000)
        self._billing.ledger.end(
            self._billing.transcribed(call, status, tokens, seconds, total_ms, code)
        )

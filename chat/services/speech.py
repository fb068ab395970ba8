"""Recordings into words: checked, counted in the ledger, and sent where speech is understood."""

from __future__ import annotations

import time
from concurrent.futures import Future

from chat.billing.call_costs import Billing
from chat.config.settings import Settings
from chat.domain.attachment import File
from chat.domain.calls import NewCall
from chat.domain.message import Status
from chat.errors import ModelDisabled, ServiceClosed, TranscriptionUnavailable
from chat.providers.audio_downsampling import downsample
from chat.providers.transcriber import Transcriber, check_recording
from chat.replies.dispatcher import Dispatch


class Speech:
    """What turns speech into text; without a `transcriber` it says why it cannot."""

    def __init__(
        self,
        settings: Settings,
        dispatch: Dispatch,
        billing: Billing,
        worker: str,
        transcriber: Transcriber | None,
    ) -> None:
        self._settings, self._dispatch, self._billing = settings, dispatch, billing
        self._worker, self._transcriber = worker, transcriber

    @property
    def problem(self) -> str:
        """Why there is no speech; empty when there is."""
        return "" if self._transcriber else TranscriptionUnavailable.sentence

    def transcribe(self, owner: str, recording: File) -> Future[str]:
        """The words of a recording, some time later.

        Raises a `VoiceRefused` at once, or the future does, or a `ProviderError`.
        """
        if self._transcriber is None:
            raise TranscriptionUnavailable
        audio = recording.data
        if len(audio) > self._settings.max_recording_mb * 1_000_000:
            audio = downsample(
                audio
            )  # a few minutes are too much for most, as browsers record them
        kind = check_recording(audio, self._settings)
        ref = self._transcriber.ref
        if self._billing.switches.is_off(ref):
            raise ModelDisabled(ref)
        call = self._billing.transcription(owner, ref, self._worker)
        self._billing.ledger.add(call)
        work = self._transcriber.transcribe(audio, kind.file_name, kind.media_type)
        begun = time.monotonic()
        replies = self._dispatch.replies
        try:
            words: Future[str] = replies.submit(work)
        except ServiceClosed:
            self._billing.ledger.drop(call.id)
            raise
        # Also when it is cancelled before it has begun.
        words.add_done_callback(
            lambda done: replies.write_soon(lambda: self._end(call, done, begun))
        )
        return words

    async def close(self) -> None:
        """Close the connections."""
        if self._transcriber is not None:
            await self._transcriber.close()

    def _end(self, call: NewCall, done: Future[str], begun: float) -> None:
        """Tell the ledger what became of a recording."""
        status, tokens, code = Status.STOPPED, 0, None
        if not done.cancelled():
            error = done.exception()
            status = Status.FAILED if error else Status.COMPLETE
            code = getattr(error, "code", None)
            tokens = 0 if error else self._dispatch.count(done.result()).tokens
        took = round((time.monotonic() - begun) * 1000)
        self._billing.ledger.end(self._billing.transcribed(call, status, tokens, took, code))

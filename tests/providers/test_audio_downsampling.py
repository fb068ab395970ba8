"""Downsampling of recordings: smaller uploads that a speech recognizer still understands."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from chat import ChatService, File, open_chat
from chat.errors import RecordingTooLarge, TranscriptionUnavailable
from chat.providers.audio_downsampling import RATE, downsample
from tests.support.llm_server import LLMServer, Script
from tests.support.speech_server import HELLO_WORLD, decode_wav, encode_wav, recognise, resample


def wav(path: Path, rate: int) -> bytes:
    """Return "Hello world" at another sample rate."""
    samples = resample(decode_wav(HELLO_WORLD.read_bytes()), RATE, rate)
    return encode_wav(samples, rate, path).read_bytes()


def in_stereo(audio: bytes) -> bytes:
    output = io.BytesIO()
    with wave.open(io.BytesIO(audio)) as source, wave.open(output, "wb") as target:
        target.setnchannels(2)
        target.setsampwidth(2)
        target.setframerate(source.getframerate())
        frames = source.readframes(source.getnframes())
        target.writeframes(b"".join(frames[at : at + 2] * 2 for at in range(0, len(frames), 2)))
    return output.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda audio: audio, in_stereo], ids=["mono", "stereo"])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_downsampled_recording_keeps_its_length_and_is_understood(
    tmp_path: Path, rate: int, change: Callable[[bytes], bytes]
) -> None:
    audio = change(wav(tmp_path / "a.wav", rate))
    small = downsample(audio)
    assert len(small) < 0.4 * len(audio)
    with wave.open(io.BytesIO(audio)) as before, wave.open(io.BytesIO(small)) as after:
        assert (after.getnchannels(), after.getframerate()) == (1, RATE)
        seconds = before.getnframes() / rate
        assert after.getnframes() / RATE == pytest.approx(seconds, abs=0.01)
    assert recognise(decode_wav(small)) == "hello world"


@pytest.mark.parametrize("audio", [b"", b"RIFF", b"OggS" + bytes(50), HELLO_WORLD.read_bytes()])
def test_audio_that_cannot_be_downsampled_is_unchanged(audio: bytes) -> None:
    assert downsample(audio) == audio


@pytest.fixture
def service_for(tmp_path: Path) -> Callable[..., ChatService]:
    def make(**config: object) -> ChatService:
        return open_chat(
            {"DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}", "FIND_LOCAL_SERVERS": "no", **config}
        )

    return make


def test_only_oversized_recordings_are_downsampled(
    service_for: Callable[..., ChatService], tmp_path: Path
) -> None:
    audio = wav(tmp_path / "a.wav", 48_000)
    with LLMServer() as server:
        service = service_for(OPENAI_BASE_URL=server.base_url, MAX_RECORDING_MB=0.1)
        server.next(Script(text="one"), Script(text="two"))
        text = service.as_owner("me").speech.transcribe(File("a.wav", audio)).result(20)
        assert text == "one"
        assert server.requests[-1].upload is not None
        assert server.requests[-1].upload.data == downsample(audio)
        service.as_owner("me").speech.transcribe(File("a.wav", HELLO_WORLD.read_bytes())).result(20)
        assert server.requests[-1].upload is not None
        assert server.requests[-1].upload.data == HELLO_WORLD.read_bytes()
        with pytest.raises(RecordingTooLarge):
            service.as_owner("me").speech.transcribe(File("a.ogg", b"OggS" + bytes(100_001)))
        service.close()


def test_voice_problem_is_reported_without_a_transcriber(
    service_for: Callable[..., ChatService],
) -> None:
    service = service_for()
    assert service.as_owner("").speech.problem == TranscriptionUnavailable.sentence
    with pytest.raises(TranscriptionUnavailable):
        service.as_owner("me").speech.transcribe(File("a.wav", HELLO_WORLD.read_bytes()))
    service.close()

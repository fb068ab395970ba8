"""Speech recognition: endpoint selection, upload, response parsing, errors, recording checks."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chat import errors
from chat.config.settings import Endpoint, Settings, read_settings
from chat.providers.endpoints import transcription_endpoint
from chat.providers.openai_compatible import speech_errors
from chat.providers.openai_compatible.speech import OpenAITranscriber
from chat.providers.transcriber import AudioFormat, Transcriber, build_transcriber, check_recording
from tests.support.llm_server import LLMServer, Script
from tests.support.speech_server import (
    HELLO_WORLD,
    RATE,
    SpeechServer,
    decode_wav,
    encode_wav,
    hello_world_wav,
    recognise,
    resample,
)

KEY = "my-Secret-Passphrase"
# Every byte value, and the boundary of a multipart form.
AUDIO = b"RIFF\r\n--" + bytes(range(256)) * 40 + b"\r\n--\r\n"
OPENAI, GROQ = "https://api.openai.com/v1", "https://api.groq.com/openai/v1"


@pytest.fixture(scope="module")
def shared_server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def server(shared_server: LLMServer) -> LLMServer:
    shared_server.requests.clear()
    return shared_server


def ask(transcriber: Transcriber, audio: bytes = AUDIO) -> str:
    async def run() -> str:
        try:
            return await transcriber.transcribe(audio, "recording.wav", "audio/wav")
        finally:
            await transcriber.close()

    return asyncio.run(run())


def configured(**values: Any) -> Transcriber:
    transcriber = build_transcriber(read_settings({"MAX_RETRIES": 0, **values}))
    assert transcriber is not None
    return transcriber


def acme(
    base_url: str, model: str = "any", *, timeout: float | None = None, **values: Any
) -> OpenAITranscriber:
    settings = Settings(**{"max_retries": 0, "values": {}, **values})
    endpoint = Endpoint("acme", "Acme", base_url, KEY)
    return OpenAITranscriber(endpoint, model, settings, timeout=timeout)


def failure(transcriber: OpenAITranscriber) -> errors.ParleyError:
    with pytest.raises(errors.ParleyError) as caught:
        ask(transcriber)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY not in f"{caught.value!r} {caught.value.details}"
    return caught.value


# --- endpoint selection

CONFIGURATIONS: dict[str, tuple[dict[str, str], tuple[str, str, str, str] | None]] = {
    "no provider": ({}, None),
    "only a model": ({"TRANSCRIPTION_MODEL": "m", "MISTRAL_API_KEY": "mk"}, None),
    "openai": ({"OPENAI_API_KEY": "ok"}, (OPENAI, "ok", "whisper-1", "OpenAI")),
    "openai elsewhere": (
        {"OPENAI_BASE_URL": "http://proxy.test/v1/"},
        ("http://proxy.test/v1", "", "whisper-1", "OpenAI"),
    ),
    "another model": (
        {"OPENAI_API_KEY": "ok", "TRANSCRIPTION_MODEL": "better"},
        (OPENAI, "ok", "better", "OpenAI"),
    ),
    "groq": ({"GROQ_API_KEY": "gk"}, (GROQ, "gk", "whisper-large-v3-turbo", "Groq")),
    "groq, another model": (
        {"GROQ_API_KEY": "gk", "TRANSCRIPTION_MODEL": "better"},
        (GROQ, "gk", "better", "Groq"),
    ),
    "openai before groq": (
        {"GROQ_API_KEY": "gk", "OPENAI_API_KEY": "ok"},
        (OPENAI, "ok", "whisper-1", "OpenAI"),
    ),
    "custom address": (
        {"TRANSCRIPTION_BASE_URL": "http://speech.test:8000/v1/", "OPENAI_API_KEY": "ok"},
        ("http://speech.test:8000/v1", "", "whisper-1", "speech.test"),
    ),
    "custom address and key": (
        {"TRANSCRIPTION_BASE_URL": "http://speech.test/v1", "TRANSCRIPTION_API_KEY": " tk "},
        ("http://speech.test/v1", "tk", "whisper-1", "speech.test"),
    ),
    "separate key": (
        {"TRANSCRIPTION_API_KEY": "tk", "GROQ_API_KEY": "gk"},
        (OPENAI, "tk", "whisper-1", "OpenAI"),
    ),
    "separate key, openai elsewhere": (
        {"TRANSCRIPTION_API_KEY": "tk", "OPENAI_BASE_URL": "http://proxy.test/v1"},
        ("http://proxy.test/v1", "tk", "whisper-1", "OpenAI"),
    ),
    "separate key before openai's": (
        {"TRANSCRIPTION_API_KEY": "tk", "OPENAI_API_KEY": "ok"},
        (OPENAI, "tk", "whisper-1", "OpenAI"),
    ),
    "openai's address": (
        {"TRANSCRIPTION_BASE_URL": OPENAI + "/", "OPENAI_API_KEY": "ok"},
        (OPENAI, "ok", "whisper-1", "OpenAI"),
    ),
    "openai's address while openai is elsewhere": (
        {
            "TRANSCRIPTION_BASE_URL": OPENAI,
            "OPENAI_API_KEY": "ok",
            "OPENAI_BASE_URL": "http://proxy.test/v1",
        },
        (OPENAI, "", "whisper-1", "OpenAI"),
    ),
    "groq's address": (
        {"TRANSCRIPTION_BASE_URL": GROQ, "TRANSCRIPTION_API_KEY": "tk", "GROQ_API_KEY": "gk"},
        (GROQ, "tk", "whisper-large-v3-turbo", "Groq"),
    ),
}


@pytest.mark.parametrize(("values", "expected"), CONFIGURATIONS.values(), ids=list(CONFIGURATIONS))
def test_transcription_endpoint_follows_the_configuration(
    values: dict[str, str], expected: tuple[str, str, str, str] | None
) -> None:
    settings = read_settings(values)
    found = transcription_endpoint(settings)
    transcriber = build_transcriber(settings)
    if expected is None or found is None or transcriber is None:
        assert (found, transcriber) == (expected, None)
        return
    endpoint, model = found
    assert (endpoint.base_url, endpoint.api_key, model, endpoint.label) == expected
    assert transcriber.label == endpoint.label


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRANSCRIPTION_BASE_URL", "speech.test/v1"),
        ("TRANSCRIPTION_BASE_URL", "http://[broken/v1"),
        ("TRANSCRIPTION_API_KEY", "a “quoted” key"),
        ("OPENAI_BASE_URL", "proxy"),
    ],
)
def test_invalid_setting_is_reported_without_its_value(name: str, value: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        build_transcriber(read_settings({name: value}))
    assert len(caught.value.problems) == 1
    assert name in str(caught.value)
    assert value not in str(caught.value)


def test_key_is_sent_to_its_own_base_url_only() -> None:
    keys = {"OPENAI_API_KEY": "openai-key", "GROQ_API_KEY": "groq-key"}
    with LLMServer() as chat, LLMServer() as speech:
        addresses = {"OPENAI_BASE_URL": chat.base_url, "GROQ_BASE_URL": chat.base_url}
        ask(configured(**keys, **addresses))
        ask(configured(**keys, **addresses, TRANSCRIPTION_BASE_URL=speech.base_url))
        own = {"TRANSCRIPTION_BASE_URL": speech.base_url, "TRANSCRIPTION_API_KEY": "speech-key"}
        ask(configured(**keys, **addresses, **own))
        (at_chat,) = chat.requests
        at_speech = str([seen.headers for seen in speech.requests])
    assert at_chat.headers["authorization"] == "Bearer openai-key"
    assert "openai-key" not in at_speech
    assert "groq-key" not in at_speech
    assert speech.requests[1].headers["authorization"] == "Bearer speech-key"


def test_openai_organization_is_not_sent_with_another_key(
    server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    openai = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "ok"}
    ask(configured(**openai))
    ask(configured(**openai, TRANSCRIPTION_API_KEY="tk"))
    sent = [seen.headers.get("openai-organization") for seen in server.requests]
    assert sent == ["org-1", None]


# --- upload and response


def test_recording_is_uploaded_unchanged(server: LLMServer) -> None:
    server.next(Script(text="hello world"))
    text = ask(configured(TRANSCRIPTION_BASE_URL=server.base_url, TRANSCRIPTION_MODEL="speech-1"))
    assert text == "hello world"
    (seen,) = server.requests
    assert seen.upload is not None
    assert seen.upload.data == AUDIO
    assert (seen.upload.file_name, seen.upload.media_type) == ("recording.wav", "audio/wav")
    assert seen.upload.fields == {"model": "speech-1", "response_format": "json"}


def test_language_is_sent_if_configured(server: LLMServer) -> None:
    ask(configured(TRANSCRIPTION_BASE_URL=server.base_url, TRANSCRIPTION_LANGUAGE="de"))
    assert server.requests[0].body["language"] == "de"


def test_upload_is_retried_after_a_temporary_failure(server: LLMServer) -> None:
    busy = Script(status=503, body={}, headers=(("retry-after-ms", "20"),))
    server.next(busy, busy, Script(text="hello"))
    assert ask(acme(server.base_url, max_retries=2)) == "hello"
    assert [seen.upload and seen.upload.data for seen in server.requests] == [AUDIO] * 3


ANSWERS = {
    "json": (Script(text=" hello world\n"), "hello world"),
    "plain text": (Script(text="hello world\n", fault="plain"), "hello world"),
    "a number": (Script(text="42\n", fault="plain"), "42"),
    "quoted": (Script(text='"hello"', fault="plain"), "hello"),
    "with a byte order mark": (Script(text='\ufeff{"text": "hello"}', fault="plain"), "hello"),
    "half an emoji": (Script(text='{"text": "a\\ud83d"}', fault="plain"), "a\ufffd"),
    "brackets": (Script(text="[music] hello", fault="plain"), "[music] hello"),
}


@pytest.mark.parametrize(("script", "text"), ANSWERS.values(), ids=list(ANSWERS))
def test_text_is_read_from_every_known_response_format(
    server: LLMServer, script: Script, text: str
) -> None:
    server.next(script)
    assert ask(acme(server.base_url)) == text


RANDOM_KEY = "sk-canary0123456789abcdef01"


@pytest.mark.parametrize(
    "script",
    [
        Script(text=f"you sent Bearer {RANDOM_KEY}"),
        Script(text=RANDOM_KEY),
        Script(text=f"{RANDOM_KEY}{RANDOM_KEY}"),
        Script(text=f"{RANDOM_KEY}, he said", fault="plain"),
        Script(text=f'"{RANDOM_KEY}"', fault="plain"),
        Script(text=f'{{"text": "{RANDOM_KEY}", "language": "en"}}', fault="plain"),
    ],
)
def test_key_in_a_transcription_is_redacted(server: LLMServer, script: Script) -> None:
    server.next(script)
    endpoint = Endpoint("acme", "Acme", server.base_url, RANDOM_KEY)
    text = ask(OpenAITranscriber(endpoint, "speech-1", Settings(values={}, max_retries=0)))
    assert RANDOM_KEY not in text and "[redacted]" in text


@pytest.mark.parametrize(
    "script",
    [
        Script(text=""),
        Script(text=" \n\t"),
        Script(text=" [BLANK_AUDIO]\n"),
        Script(text="\n", fault="plain"),
        Script(
            status=400,
            body={"error": {"message": "Audio file is too short.", "code": "audio_too_short"}},
        ),
    ],
    ids=["empty", "blank", "silence of whisper.cpp", "plain", "too short"],
)
def test_response_without_words_raises_no_speech_detected(
    server: LLMServer, script: Script
) -> None:
    server.next(script)
    assert type(failure(acme(server.base_url))) is errors.NoSpeechDetected


# --- errors

FAILURES: dict[str, type[errors.ParleyError]] = {
    "401": errors.WrongKey,
    "402": errors.NoCredit,
    "403": speech_errors.SpeechNotPermitted,
    "404": speech_errors.SpeechModelUnknown,
    "404-html": speech_errors.SpeechNotOffered,
    "413": errors.VoiceRefused,
    "429": errors.RateLimited,
    "quota": errors.NoCredit,
    "500": speech_errors.SpeechDown,
    "503": speech_errors.SpeechDown,
    "bad-request": speech_errors.RecordingNotRead,
    "parameter": speech_errors.RecordingNotRead,
    "filter": speech_errors.RecordingNotRead,
    "html": speech_errors.SpeechNotOffered,
    "empty": speech_errors.SpeechNotOffered,
    "malformed": speech_errors.SpeechNotOffered,
    "error-event": speech_errors.SpeechDown,
    "hang-up": errors.ConnectionLost,
    "break": errors.ConnectionLost,
}


@pytest.mark.parametrize(("name", "kind"), FAILURES.items())
def test_each_failure_has_a_sentence_about_the_recording(
    server: LLMServer, name: str, kind: type[errors.ParleyError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="chat")
    error = failure(acme(server.base_url, f"fault:{name}"))
    assert type(error) is kind
    assert "Acme" in str(error)
    assert [word for word in ("sidebar", "reply", "repl", "{") if word in str(error)] == []
    assert KEY not in caplog.text


def test_error_sentences_are_distinct() -> None:
    kinds = [*FAILURES.values(), speech_errors.LanguageRefused, speech_errors.SpeechTimeout]
    worded = {kind for kind in kinds if issubclass(kind, errors.ProviderError)}
    assert len({kind.sentence for kind in worded}) == len(worded)


def test_unknown_speech_model_is_named_in_the_error(server: LLMServer) -> None:
    assert "“fault:404”" in str(failure(acme(server.base_url, "fault:404")))


def test_rate_limit_error_has_a_retry_time(server: LLMServer) -> None:
    error = failure(acme(server.base_url, "fault:429", max_retries=2))
    assert isinstance(error, errors.RateLimited) and error.retry_at is not None
    assert len(server.requests) == 1


def test_recording_too_long_for_the_provider_raises_voice_refused(server: LLMServer) -> None:
    message = "audio duration 1500.3 seconds is longer than 1400 seconds"
    server.next(Script(status=400, body={"error": {"message": message, "code": "invalid_value"}}))
    error = failure(acme(server.base_url))
    assert type(error) is errors.VoiceRefused
    assert "shorter pieces" in str(error)


def test_unsupported_language_raises_language_refused(server: LLMServer) -> None:
    message = "Invalid language 'klingon'. Language parameter must be in ISO-639-1 format."
    server.next(Script(status=400, body={"error": {"message": message}}))
    error = failure(acme(server.base_url, transcription_language="klingon"))
    assert type(error) is speech_errors.LanguageRefused
    assert "TRANSCRIPTION_LANGUAGE" in str(error)


def test_server_without_speech_endpoint_raises_speech_not_offered() -> None:
    with SpeechServer() as speech:
        error = failure(acme(speech.base_url.removesuffix("/v1")))
    assert type(error) is speech_errors.SpeechNotOffered


def test_closed_port_raises_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert type(failure(acme(f"http://127.0.0.1:{port}/v1"))) is errors.ConnectionRefused


def test_missing_response_raises_speech_timeout(server: LLMServer) -> None:
    error = failure(acme(server.base_url, "fault:stall", timeout=0.2))
    assert type(error) is speech_errors.SpeechTimeout
    assert server.requests[0].disconnected.wait(5)


@pytest.mark.parametrize(
    ("allowed", "size", "expected"), [(10.0, 0, 60), (120.0, 0, 120), (10.0, 25_000_000, 560)]
)
def test_timeout_grows_with_the_recording_and_the_first_token_timeout(
    server: LLMServer, allowed: float, size: int, expected: int
) -> None:
    transcriber = acme(server.base_url, first_token_timeout=allowed)
    assert transcriber.timeout_for(size) == expected


def test_cancelled_transcription_closes_the_connection(server: LLMServer) -> None:
    async def run() -> None:
        gate = threading.Event()
        server.next(Script(gate=gate))
        transcriber = acme(server.base_url)
        task = asyncio.create_task(transcriber.transcribe(AUDIO, "recording.wav", "audio/wav"))
        (seen,) = await asyncio.to_thread(server.wait_for_requests, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(seen.disconnected.wait, 5)
        await transcriber.close()

    asyncio.run(run())


# --- recording checks


def wav(
    seconds: float,
    *,
    rate: int = 8_000,
    size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """Return silence as 16-bit mono. `size` is the data size declared in the header."""
    data = bytes(round(seconds * rate) * 2)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    head = struct.pack("<4sI", b"data", len(data) if size is None else size)
    body = b"WAVE" + before + fmt + head + data + after
    total = len(body) if size is None else size
    return b"RIFF" + struct.pack("<I", total) + body


CONTAINERS = {
    "wav": (wav(1), "recording.wav", "audio/wav"),
    "webm": (b"\x1a\x45\xdf\xa3\x9f\x42", "recording.webm", "audio/webm"),
    "ogg": (b"OggS\0\2", "recording.ogg", "audio/ogg"),
    "flac": (b"fLaC\0\0", "recording.flac", "audio/flac"),
    "mp3": (b"\xff\xfb\x90\x64", "recording.mp3", "audio/mpeg"),
    "mp3 with a title": (b"ID3\4\0", "recording.mp3", "audio/mpeg"),
    "aac": (b"\xff\xf1\x50\x80", "recording.aac", "audio/aac"),
    "m4a": (b"\0\0\0\x20ftypM4A \0", "recording.m4a", "audio/mp4"),
    "mp4": (b"\0\0\0\x20ftypisom", "recording.mp4", "audio/mp4"),
    "unknown": (b"#!AMR\n", "recording", "application/octet-stream"),
}


@pytest.mark.parametrize(
    ("audio", "file_name", "media_type"), CONTAINERS.values(), ids=list(CONTAINERS)
)
def test_audio_format_is_detected_from_the_content(
    audio: bytes, file_name: str, media_type: str
) -> None:
    assert check_recording(audio, Settings()) == AudioFormat(file_name, media_type)


@pytest.mark.parametrize(
    "audio",
    [b"", wav(0), wav(0, size=0xFFFFFFFF), wav(0, size=0), wav(1)[:36], wav(1)[:45]],
    ids=["no bytes", "no frames", "streamed", "streamed, sizes 0", "no data", "half a frame"],
)
def test_recording_without_samples_is_refused(audio: bytes) -> None:
    with pytest.raises(errors.RecordingEmpty):
        check_recording(audio, Settings())


def test_silent_recording_is_accepted() -> None:
    assert check_recording(wav(0.01), Settings()).file_name == "recording.wav"


LISTED = b"LIST" + struct.pack("<I", 3) + b"abc\0"


@pytest.mark.parametrize(
    "audio",
    [
        wav(3.5),
        wav(3.5, size=0xFFFFFFFF),
        wav(3.5, size=0),
        wav(3.5, size=0x7FFFFFFF),
        wav(3.5, before=LISTED, after=LISTED),
        wav(3.5, rate=48_000),
    ],
    ids=["plain", "streamed", "streamed, sizes 0", "wrong size", "with a list", "48 kHz"],
)
def test_wav_duration_is_checked(audio: bytes) -> None:
    assert check_recording(audio, Settings(max_recording_seconds=3.5))
    with pytest.raises(errors.RecordingTooLong) as caught:
        check_recording(audio, Settings(max_recording_seconds=3.0))
    assert "4 s long" in str(caught.value)
    assert "at most 3 s" in str(caught.value)


def test_wav_without_a_rate_is_bounded_by_its_size() -> None:
    audio = bytearray(wav(3.5))
    audio[24:36] = bytes(12)
    assert check_recording(bytes(audio), Settings(max_recording_seconds=30.0))
    with pytest.raises(errors.RecordingTooLarge, match="at most 6 kB"):
        check_recording(bytes(audio), Settings(max_recording_seconds=3.0))


def test_oversized_recording_error_names_both_sizes() -> None:
    settings = Settings(max_recording_mb=25.0, max_recording_seconds=15_000.0)
    assert check_recording(b"OggS".ljust(25_000_000), settings)
    with pytest.raises(errors.RecordingTooLarge) as caught:
        check_recording(b"OggS".ljust(31_000_000), settings)
    assert "31.0 MB" in str(caught.value)
    assert "25.0 MB" in str(caught.value)
    with pytest.raises(errors.RecordingTooLarge, match="25,000,001 bytes"):
        check_recording(b"OggS".ljust(25_000_001), settings)


# --- a real recognizer


@pytest.mark.slow
@pytest.mark.parametrize("rate", [RATE, 44_100, 48_000])
def test_speech_recognizer_understands_the_upload(rate: int, tmp_path: Path) -> None:
    samples = resample(decode_wav(HELLO_WORLD.read_bytes()), RATE, rate)
    audio = encode_wav(samples, rate, tmp_path / "hello.wav").read_bytes()
    with SpeechServer() as speech:
        assert ask(configured(TRANSCRIPTION_BASE_URL=speech.base_url), audio) == "hello world"
        assert speech.wait_for_answers(1) == ["hello world"]
        assert speech.uploads[0].data == audio


@pytest.mark.parametrize("kind", ["u1", "<i2", "<i4", "<f4"])
def test_speech_server_decodes_every_wav_encoding(kind: str) -> None:
    wave = np.sin(2 * math.pi * 440 * np.arange(RATE) / RATE) / 2
    both = np.stack([wave, wave], axis=1)
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        data = both.astype(dtype)
    else:
        scale = 2 ** (8 * dtype.itemsize - 1)
        data = (both * (scale - 1) + (scale if dtype.kind == "u" else 0)).astype(dtype)
    code, bits = (3 if dtype.kind == "f" else 1), 8 * dtype.itemsize
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, code, 2, RATE, 0, 0, bits)
    head = b"RIFF\0\0\0\0WAVE" + fmt + struct.pack("<4sI", b"data", 0xFFFFFFFF)
    assert np.abs(decode_wav(head + data.tobytes()) - wave).max() < 0.02


@pytest.mark.slow
def test_speech_recognizer_understands_a_looped_recording(tmp_path: Path) -> None:
    # Chromium loops the file that it uses as a fake microphone.
    looped = np.tile(decode_wav(hello_world_wav(tmp_path / "hello.wav").read_bytes()), 2)
    assert "hello world" in recognise(looped[round(0.8 * RATE) :])


def test_silence_is_not_recognized_as_words(server: LLMServer) -> None:
    assert recognise(np.zeros(2 * RATE)) == ""
    with SpeechServer() as speech:
        transcriber = acme(speech.base_url)
        with pytest.raises(errors.NoSpeechDetected):
            ask(transcriber, wav(1))

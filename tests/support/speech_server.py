"""An OpenAI-compatible `/audio/transcriptions` endpoint with a real local speech recogniser.

For browser tests of the microphone. It supports WAV files and English words.
"""

from __future__ import annotations

import json
import struct
import threading
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.uploads import Upload, read_upload

# flite -voice awb -t "hello world", with silence before and after it.
HELLO_WORLD = Path(__file__).with_name("corpus") / "hello_world.wav"
RATE = 16_000  # samples per second, as in the recogniser's training data
_FRAME = RATE // 50
_GAP = 20  # frames of silence that separate two utterances
Samples = NDArray[np.float64]


class SpeechServer:
    """`with SpeechServer() as speech:` — `speech.base_url`; `uploads` records all requests."""

    def __init__(self) -> None:
        self.uploads: list[Upload] = []
        self.answers: list[str] = []
        self._changed = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def wait_for_answers(self, count: int, timeout: float = 30.0) -> list[str]:
        with self._changed:
            is_done = self._changed.wait_for(lambda: len(self.answers) >= count, timeout)
            assert is_done, f"{len(self.answers)} of {count} recordings were answered"
            return list(self.answers)

    def __enter__(self) -> SpeechServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def _answer(self, path: str, content_type: str, body: bytes) -> tuple[int, Any]:
        if path != "/v1/audio/transcriptions":
            return 404, {"error": {"message": "not found"}}
        upload = read_upload(content_type, body)
        self.uploads.append(upload)
        try:
            samples = decode_wav(upload.data)
        except ValueError as error:
            return 400, {"error": {"message": f"The audio file could not be decoded: {error}"}}
        text = recognise(samples)
        with self._changed:
            self.answers.append(text)
            self._changed.notify_all()
        return 200, {"text": text}

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, value = server._answer(self.path, self.headers["Content-Type"], body)
                content = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                return

        return Handler


def recognise(samples: Samples) -> str:
    """Return the words in `samples` (mono, 16 kHz, from -1 to 1)."""
    return " ".join(filter(None, map(_words, utterances(samples))))


def utterances(samples: Samples) -> list[Samples]:
    """Split at silences: in a long recording the recogniser finds words that were not spoken."""
    frames = np.abs(samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)).max(axis=1)
    if not len(frames):
        return []
    loud = np.flatnonzero(frames > max(0.01, 0.03 * frames.max()))
    runs = [run for run in np.split(loud, np.flatnonzero(np.diff(loud) > _GAP) + 1) if len(run) > 2]
    around = [(max(0, run[0] - 5) * _FRAME, (run[-1] + 6) * _FRAME) for run in runs]
    return [np.pad(samples[begin:end], RATE // 4) for begin, end in around]


def _words(samples: Samples) -> str:
    from pocketsphinx import Decoder  # type: ignore[import-untyped]

    decoder = Decoder(samprate=RATE, loglevel="FATAL")  # a decoder adapts to earlier audio
    decoder.start_utt()
    decoder.process_raw((samples * 32_767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    heard = decoder.hyp()
    return heard.hypstr if heard else ""


def decode_wav(data: bytes) -> Samples:
    """Decode a WAV file of any sample rate and format to mono at 16 kHz.

    Raises `ValueError` if `data` is not a WAV file or its format is unknown.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    chunks, place = {}, 12
    while place + 8 <= len(data) and b"data" not in chunks:
        name, size = struct.unpack_from("<4sI", data, place)
        chunks[name] = data[place + 8 : place + 8 + size]  # a streamed file states an unknown size
        place += 8 + size + size % 2
    try:
        code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
        if code == 0xFFFE:  # extensible: the code is in the extension
            code = struct.unpack_from("<H", chunks[b"fmt "], 24)[0]
        kind = {(1, 8): "u1", (1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4"}[code, bits]
        sound = chunks[b"data"]
    except (KeyError, struct.error) as error:
        raise ValueError(f"unsupported WAV format: {error!r}") from None
    frame = channels * bits // 8
    values = np.frombuffer(sound[: len(sound) // frame * frame], kind).astype(np.float64)
    if bits == 8:
        values -= 128
    if code == 1:
        values /= 2 ** (bits - 1)
    return resample(values.reshape(-1, channels).mean(axis=1), rate, RATE)


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """Resample by linear interpolation, after a moving average as a low-pass filter."""
    if not len(samples):
        return samples
    if (width := round(rate / wanted)) > 1:
        samples = np.convolve(samples, np.full(width, 1 / width), "same")
    places = np.arange(0, len(samples), rate / wanted)
    return np.interp(places, np.arange(len(samples)), samples)


def encode_wav(samples: Samples, rate: int, path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path


def hello_world_wav(path: Path, *, before: float = 0.5, after: float = 1.5) -> Path:
    """Write "hello world" with silence before and after (seconds), for a browser's microphone."""
    (words,) = utterances(decode_wav(HELLO_WORLD.read_bytes()))
    silences = (round(before * RATE), round(after * RATE))
    return encode_wav(np.pad(words, silences), RATE, path)

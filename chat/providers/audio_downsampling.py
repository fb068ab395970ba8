"""Downsample recordings before upload: speech recognition needs one channel and 16 kHz. Pure."""

from __future__ import annotations

import io
import wave

RATE = 16_000  # samples per second, as speech models are trained on
_BLOCK_SECONDS = 60  # processed at a time, to limit memory
_MAX_BLOCK_BYTES = 8_000_000  # also if the header declares an absurd sample rate


def downsample(audio: bytes) -> bytes:
    """Return a 16-bit WAV as mono at 16 kHz; other formats and smaller WAVs are returned as is."""
    try:
        with wave.open(io.BytesIO(audio)) as source:
            channels, rate = source.getnchannels(), source.getframerate()
            if source.getsampwidth() != 2 or (rate <= RATE and channels == 1):
                return audio
            output = io.BytesIO()
            with wave.open(output, "wb") as target:
                target.setnchannels(1)
                target.setsampwidth(2)
                target.setframerate(min(rate, RATE))
                block = min(rate * _BLOCK_SECONDS, _MAX_BLOCK_BYTES // (2 * channels))
                while frames := source.readframes(block):
                    target.writeframes(_mono(frames, channels, rate))
            return output.getvalue()
    except (wave.Error, EOFError, ValueError):
        return audio


def _mono(frames: bytes, channels: int, rate: int) -> bytes:
    """Average the samples behind each new sample, which also acts as a low-pass filter."""
    import numpy as np

    whole = len(frames) // (2 * channels) * 2 * channels
    samples = np.frombuffer(frames[:whole], "<i2").reshape(-1, channels).mean(axis=1)
    if rate <= RATE:
        return bytes(samples.astype("<i2"))
    count = len(samples) * RATE // rate
    edges = np.arange(count + 1, dtype=np.int64) * rate // RATE
    sums = np.concatenate(([0.0], np.cumsum(samples)))
    return bytes((np.diff(sums[edges]) / np.diff(edges)).astype("<i2"))

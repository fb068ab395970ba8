"""Makes a long recording small enough to be sent: speech needs one channel and 16 kHz. Pure."""

from __future__ import annotations

import io
import wave

RATE = 16_000  # samples a second; what recognisers are trained on
_MOST = 8_000_000  # bytes, whatever the header claims of a second
_PIECE = 60  # seconds worked on at a time, to bound the memory


def compact(audio: bytes) -> bytes:
    """A 16-bit WAV as mono at 16 kHz; anything else, or what is no larger than that, as it is."""
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
                piece = min(rate * _PIECE, _MOST // (2 * channels))
                while frames := source.readframes(piece):
                    target.writeframes(_mono(frames, channels, rate))
            return output.getvalue()
    except (wave.Error, EOFError, ValueError):
        return audio


def _mono(frames: bytes, channels: int, rate: int) -> bytes:
    """Each new sample is the mean of those it stands for, which keeps out what is too high."""
    import numpy as np

    whole = len(frames) // (2 * channels) * 2 * channels
    samples = np.frombuffer(frames[:whole], "<i2").reshape(-1, channels).mean(axis=1)
    if rate <= RATE:
        return bytes(samples.astype("<i2"))
    count = len(samples) * RATE // rate
    edges = np.arange(count + 1, dtype=np.int64) * rate // RATE
    sums = np.concatenate(([0.0], np.cumsum(samples)))
    return bytes((np.diff(sums[edges]) / np.diff(edges)).astype("<i2"))

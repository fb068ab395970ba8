"""Scripts for replies of the test server: deterministic text, pace, gates and faults."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

MODELS = ("echo", "tokens:200@50", "think:20")
_WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "wizards")


def word(place: int) -> str:
    """Return the token at index `place` of the deterministic text; every token is unique."""
    return f"{_WORDS[place % len(_WORDS)]}{place} "


def text_of(tokens: int) -> str:
    """Return the deterministic text of `tokens` tokens."""
    return "".join(word(place) for place in range(tokens))


@dataclass(frozen=True)
class Script:
    """The behaviour of one reply.

    `fault_at` and `gate_at` are indexes of content tokens; 0 is before the first.
    """

    text: str | None = None  # split into words; None: `tokens` deterministic ones
    tokens: int = 20
    pace: float | None = None  # tokens per second; None: as fast as possible
    reasoning: tuple[str, ...] = ()
    has_usage: bool = True
    finish_reason: str | None = "stop"
    gate: threading.Event | None = None  # pauses the reply until it is set
    gate_at: int = 0
    fault: str | None = None  # break, end, stall, malformed, error-event, html, empty, json, plain
    fault_at: int = 0
    status: int = 200
    body: Any = None  # of an error response: JSON or text
    headers: tuple[tuple[str, str], ...] = ()
    raw: str | None = None  # the complete body of a response with status 200
    events: tuple[bytes, ...] | None = None  # the body of a stream, sent unchanged at `pace`
    choose: Callable[[dict[str, Any]], Script] | None = None  # the script for a request body
    refuses: tuple[str, ...] = ()  # parameters that the model does not support

    def pieces(self) -> list[str]:
        if self.text is not None:
            return [piece + " " for piece in self.text.split(" ")[:-1]] + self.text.split(" ")[-1:]
        return [word(place) for place in range(self.tokens)]


def transcription(script: Script) -> Any:
    """Return the response body for a recording, as JSON or text."""
    text = "".join(script.pieces())
    answers: dict[str | None, Any] = {
        "empty": {},
        "malformed": '{"text": "hel',
        "error-event": {"error": {"message": "overloaded", "code": 503}},
        "plain": text,
    }
    return answers.get(script.fault, {"text": text})


def _refusal(status: int, message: str, code: str | None = None, kind: str = "") -> Script:
    error = {"message": message, "type": kind or "invalid_request_error", "code": code}
    return Script(status=status, body={"error": error})


FAULTS: dict[str, Script] = {
    "401": _refusal(401, "Incorrect API key provided: {key}.", "invalid_api_key"),
    "402": _refusal(402, "Insufficient Balance"),
    "403": _refusal(403, "You have insufficient permissions for this operation."),
    "404": _refusal(404, "The model `{model}` does not exist.", "model_not_found"),
    "404-html": Script(status=404, body="<html><body>404 page not found</body></html>"),
    "413": _refusal(413, "Request entity too large"),
    "429": replace(
        _refusal(429, "Rate limit reached", "rate_limit_exceeded"), headers=(("retry-after", "30"),)
    ),
    "quota": _refusal(429, "You exceeded your current quota", "insufficient_quota"),
    "500": _refusal(500, "The server had an error", kind="server_error"),
    "503": Script(status=503, body="<html>Service Unavailable</html>"),
    "bad-request": _refusal(400, "messages.0.content: field required"),
    "context": _refusal(
        400, "This model's maximum context length is 8192 tokens.", "context_length_exceeded"
    ),
    "context-llama": Script(
        status=400,
        body={
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size, try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9000,
                "n_ctx": 4096,
            }
        },
    ),
    "parameter": _refusal(400, "Unsupported parameter: 'seed'", "unsupported_parameter"),
    "filter": _refusal(400, "The response was filtered", "content_filter"),
    "filtered": Script(finish_reason="content_filter", tokens=5),
    "length": Script(finish_reason="length", tokens=5),
    "refuses-temperature": Script(refuses=("temperature",)),
    "refuses-max_tokens": Script(refuses=("max_tokens",)),
    "refuses-stream_options": Script(refuses=("stream_options",), has_usage=False),
    "break": Script(fault="break", fault_at=5),
    "unfinished": Script(fault="end", fault_at=5),
    "stall": Script(fault="stall", fault_at=5),
    "stall-first": Script(fault="stall"),
    "malformed": Script(fault="malformed", fault_at=5),
    "error-event": Script(fault="error-event", fault_at=5),
    "html": Script(fault="html"),
    "empty": Script(fault="empty", tokens=0),
    "json": Script(fault="json"),
    "hang-up": Script(fault="hang-up"),
}

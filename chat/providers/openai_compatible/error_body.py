"""Parse error responses of providers, in any of the shapes that they send. Pure.

The same shapes occur with an error status, in a response with status 200, and as an event inside
of a stream. `error_mapping` decides what an error means.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from chat.providers.openai_compatible.sse import ParseError, parse_json, without_lone_surrogates

_MESSAGES = (
    "message",
    "detail",
    "msg",
    "error_msg",
    "error_message",
    "errorMessage",
    "err_msg",
    "status_msg",
    "statusMessage",
    "faultstring",
    "description",
    "error_description",
    "title",
    "reason",
    "text",
)
_CODES = ("code", "error_code", "errorCode", "status_code", "statusCode", "errorcode")
_KINDS = ("type", "status", "error_type", "__type")
_NESTED = ("error", "errors", "err", "fault", "base_resp", "exception", "Error")
_OWN_MESSAGES = {"error_msg", "error_message", "errorMessage", "err_msg"}  # only errors have these
_GOOD = {"", "0", "200", "ok", "success", "succeeded", "none", "null"}
_NUMBER = re.compile(r"-?[0-9]+")
_FAILED = {"error", "failed", "failure", "fail"}
MAX_ERROR_BYTES = 64 * 1024  # of an error response; the rest is not read
_MAX_MESSAGE = 20_000  # characters that are searched
_MAX_CODE = 2_000
_MAX_DEPTH = 6
_MAX_ENTRIES = 20  # of each list or object that are searched

# Long lists and texts inside a message are shortened while they are written.
_BOUNDED = reprlib.Repr()
_BOUNDED.maxlevel = 8
_BOUNDED.maxdict = _BOUNDED.maxlist = _MAX_ENTRIES
_BOUNDED.maxstring = _BOUNDED.maxother = _BOUNDED.maxlong = 2_000


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A parsed error response. `status` is None for an error inside a stream without a status."""

    status: int | None
    message: str = ""
    code: str = ""
    kind: str = ""
    parameter: str = ""
    is_json: bool = True
    wait: float | None = None  # seconds until the next attempt, from a field of the body


def parse_error_body(status: int | None, content: bytes) -> ErrorBody:
    """Parse the body of an error response.

    Only the beginning of an oversized body is used, as text.
    """
    content = content[:MAX_ERROR_BYTES]
    try:
        value = parse_json(content)
    except ParseError:
        text = content.decode("utf-8", "replace").strip()
        return ErrorBody(status, text[:_MAX_MESSAGE], is_json=False)
    return parse_error_value(status, value)


def is_error(value: dict[str, Any]) -> bool:
    """Return whether a JSON object without a reply reports an error, in any known shape."""
    if any(value.get(name) for name in ("error", "errors", "fault", *_OWN_MESSAGES)):
        return True
    if any(_text(value.get(name), 20).lower() in _FAILED for name in ("object", "type", "event")):
        return True
    if value.get("success") is False or has_bad_base_response(value) or "detail" in value:
        return True
    status = value.get("status")
    if isinstance(status, str) and status.lower() in _FAILED:
        return True
    code = next((value[name] for name in _CODES if name in value), None)
    has_message = any(value.get(name) for name in _MESSAGES)
    return code is not None and has_message and not _is_good(code)


def has_bad_base_response(value: dict[str, Any]) -> bool:
    """Return whether MiniMax's status, which successful replies contain too, reports an error."""
    base = value.get("base_resp")
    return isinstance(base, dict) and not _is_good(base.get("status_code"))


def parse_error_value(status: int | None, value: Any) -> ErrorBody:
    """Parse decoded JSON: an error object, alone or in an envelope, a list or a string."""
    outer = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
    inner = _innermost(outer)
    wait = _wait(outer)
    if not isinstance(inner, dict):
        return ErrorBody(status, _message_of(inner) or _text(inner, _MAX_MESSAGE), wait=wait)
    codes = [_text(inner.get(name), _MAX_CODE) for name in (*_CODES, "status")]
    number = next((int(code) for code in codes if re.fullmatch("[0-9]{1,9}", code)), None)
    if status in {None, 200} and number is not None and 400 <= number < 600:
        status = number
    message = _message_of(inner) or _message_of(outer)
    metadata = inner.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
        # OpenRouter: the message of the upstream provider
        message = f"{message}: {_text(metadata['raw'], _MAX_MESSAGE)}"
    kinds = (_text(inner.get(name), _MAX_CODE).lower() for name in _KINDS)
    return ErrorBody(
        status,
        message or _text(inner, _MAX_MESSAGE),
        next((code.lower() for code in codes[:-1] if code and not _NUMBER.fullmatch(code)), ""),
        next((kind for kind in kinds if kind and not _NUMBER.fullmatch(kind)), ""),
        _text(inner.get("param"), _MAX_CODE).lower(),
        wait=wait,
    )


def _text(value: Any, max_length: int) -> str:
    """Return a JSON value as text, cut to `max_length`; a null or an empty value is empty."""
    if not isinstance(value, str):
        value = _BOUNDED.repr(value) if value else ""
    return str(without_lone_surrogates(value[:max_length]))


def _innermost(value: Any, depth: int = 0) -> Any:
    """Return the error object inside of its envelopes."""
    if depth < _MAX_DEPTH and isinstance(value, dict):
        for name in _NESTED:
            inner = value.get(name)
            inner = inner[0] if isinstance(inner, list) and inner else inner
            if inner and isinstance(inner, dict | str):
                if isinstance(inner, str) and any(value.get(each) for each in _MESSAGES):
                    continue  # the name of the error beside its message
                return _innermost(inner, depth + 1)
    return value


def _message_of(value: Any, depth: int = 0) -> str:
    """Return the words of an error: a text, or all of a list such as FastAPI's `detail`."""
    if isinstance(value, str):
        return _text(value, _MAX_MESSAGE)
    if depth == _MAX_DEPTH:
        return ""
    if isinstance(value, dict):
        found = (value[name] for name in _MESSAGES if value.get(name))
        return next(filter(None, (_message_of(each, depth + 1) for each in found)), "")
    if isinstance(value, list):
        entries = (_located(each, depth + 1) for each in value[:_MAX_ENTRIES])
        return "; ".join(filter(None, entries))[:_MAX_MESSAGE]
    return ""


def _located(entry: Any, depth: int) -> str:
    """Return the message of one entry of a list, after the field that it belongs to."""
    message = _message_of(entry, depth)
    place = entry.get("loc") if isinstance(entry, dict) else None
    return f"{'.'.join(map(str, place[:9]))}: {message}" if isinstance(place, list) else message


def _is_good(code: Any) -> bool:
    return code is None or code is True or _text(code, 20).lower() in _GOOD or code == 0


def _wait(value: Any) -> float | None:
    """Return the seconds in a field such as `retry_after` or Gemini's `retryDelay`."""
    for name, raw in _fields(value):
        key = name.lower().replace("_", "").replace("-", "")
        if key in {"retryafter", "retrydelay", "retryafterseconds", "retryafterms", "waitseconds"}:
            text = _text(raw, 40).strip().removesuffix("s")
            try:
                seconds = float(text) / (1000.0 if key.endswith("ms") else 1.0)
            except ValueError:
                continue
            if 0 <= seconds < 1e8:
                return seconds
    return None


def _fields(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, each in islice(value.items(), _MAX_ENTRIES):
            if isinstance(each, dict | list):
                yield from _fields(each, depth + 1)
            else:
                yield str(name), each
    elif isinstance(value, list):
        for each in value[:_MAX_ENTRIES]:
            yield from _fields(each, depth + 1)

"""Map error responses of providers to Parley's errors. Pure: no SDK, no network.

Providers word their errors differently and some use the wrong HTTP status. Error codes are
therefore checked first, then the message, then the status.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from chat import errors
from chat.observability.redaction import redact
from chat.providers.openai_compatible.sse import ParseError, parse_json

MAX_ERROR_BYTES = 64 * 1024  # of an error response; the rest is not read
_MAX_MESSAGE = 20_000  # characters that are searched
_MAX_CODE = 2_000
OPTIONAL_PARAMETERS = ("temperature", "max_completion_tokens", "max_tokens", "stream_options")

_CONTEXT_CODES = {
    "context_length_exceeded",
    "exceed_context_size_error",
    "context_window_exceeded",
    "model_context_window_exceeded",
    "string_above_max_length",
}
_CREDIT_CODES = {
    "insufficient_quota",
    "insufficient_balance",
    "billing_hard_limit_reached",
    "billing_not_active",
    "payment_required",
}
_MODEL_CODES = {"model_not_found", "invalid_model", "unknown_model", "model_not_available"}
_FILTER_CODES = {
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "data_inspection_failed",
}
_PARAMETER_CODES = {"unsupported_parameter", "unsupported_value", "unknown_parameter"}

_CONTEXT_WORDS = re.compile(
    r"context[ _](?:length|size|window)|maximum context|prompt is too long"
    r"|too many (?:input )?tokens"
    r"|input (?:token count|length).{0,60}exceed|reduce the length of (?:the|your)"
    r"|reduce your (?:message|prompt) size|prompt.{0,40}exceeds? .{0,40}tokens",
)
_CREDIT_WORDS = re.compile(
    r"insufficient (?:balance|credit|funds|quota)|credit balance|more credits"
)
_KEY_WORDS = re.compile(
    r"api[ _-]?key (?:not valid|not found|is invalid|expired|has expired)"
    r"|(?:invalid|incorrect|missing|no) (?:api[ _-]?key|auth(?:entication|orization)? token|bearer)"
)
_MODEL_WORDS = re.compile(
    r"\bmodel\b.{0,160}(?:not found|not exist|do not have access|not available|unknown"
    r"|not supported for|decommissioned|no longer)"
    r"|(?:unknown|invalid|no such|unable to access|not a valid|unsupported) model"
    r"|not found.{0,40}\bmodel\b",
    re.DOTALL,
)
_FILTER_WORDS = re.compile(
    r"content (?:management|usage) policy|content[ _]filter|content exists risk|flagged"
    r"|safety system|usage polic(?:y|ies)|inappropriate content"
)
_IMAGE_WORDS = re.compile(
    r"(?:image|vision|multimodal)[^.]{0,80}(?:not supported|unsupported|not available|not enabled)"
    r"|(?:not|n't) (?:support|accept|process|have)[^.]{0,40}(?:image|vision|multimodal)"
    r"|no endpoints found that support image"
    r"|(?:unknown variant|unsupported content|invalid content type|unexpected)[^.]{0,40}image_url"
    r"|image_url[^.]{0,20}only supported|content[^.]{0,20}must be a string"
)
_RANGE_WORDS = re.compile(
    r"too (?:large|big|high|small)|at most|at least|must be|less than|greater than|range|between"
)
_CAP_TOO_LARGE = re.compile(
    r"max_(?:completion_)?tokens.{0,40}(?:too large|at most|less than|must be)"
)

# Long lists and texts inside a message are shortened while they are written.
_BOUNDED = reprlib.Repr()
_BOUNDED.maxlevel = 8
_BOUNDED.maxdict = _BOUNDED.maxlist = 20
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


def parse_error_body(status: int | None, content: bytes) -> ErrorBody:
    """Parse the body of an error response, in any of the shapes that providers send.

    Only the beginning of an oversized body is used, as text.
    """
    content = content[:MAX_ERROR_BYTES]
    try:
        value = parse_json(content)
    except ParseError:
        text = content.decode("utf-8", "replace").strip()
        return ErrorBody(status, text[:_MAX_MESSAGE], is_json=False)
    return parse_error_value(status, value)


def parse_error_value(status: int | None, value: Any) -> ErrorBody:
    """Parse decoded JSON: `{"error": …}`, Gemini's list around it, or the bare error object."""
    if isinstance(value, list) and value:
        value = value[0]
    inner = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(inner, dict):
        return ErrorBody(status, _text(inner, _MAX_MESSAGE))
    codes = [_text(inner.get(name), _MAX_CODE) for name in ("code", "status")]
    number = next((int(code) for code in codes if re.fullmatch("[0-9]{1,9}", code)), None)
    if status is None and number is not None and 400 <= number < 600:
        status = number
    message = inner.get("message") or inner.get("detail") or inner.get("msg") or ""
    metadata = inner.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
        # OpenRouter: the message of the upstream provider
        message = f"{_text(message, _MAX_MESSAGE)}: {metadata['raw'][:_MAX_MESSAGE]}"
    return ErrorBody(
        status,
        _text(message, _MAX_MESSAGE),
        "" if number is not None else codes[0].lower(),
        _text(inner.get("type"), _MAX_CODE).lower(),
        _text(inner.get("param"), _MAX_CODE).lower(),
    )


def _text(value: Any, max_length: int) -> str:
    """Return a JSON value as text, cut to `max_length`; a null or an empty value is empty."""
    if isinstance(value, str):
        return value[:max_length]
    return _BOUNDED.repr(value)[:max_length] if value else ""


def to_provider_error(
    body: ErrorBody,
    headers: Mapping[str, str],
    *,
    provider: str,
    model: str,
    secrets: tuple[str, ...],
    now: datetime | None = None,
) -> errors.ProviderError:
    """Return the error for `body`, with redacted details and the time of the next attempt."""
    kind = _error_class(body)
    message = redact(body.message, secrets, 1500)
    parts = (str(body.status or ""), redact(body.code or body.kind, secrets, 200), message)
    details = " · ".join(part for part in parts if part)
    retry_at = _retry_at(headers, now or datetime.now(UTC))
    if kind not in (errors.RateLimited, errors.ProviderDown):
        retry_at = None
    return kind(provider, details=details, retry_at=retry_at, secrets=secrets, model=model)


def refused_parameter(body: ErrorBody, sent: set[str]) -> str | None:
    """Return the optional parameter in `sent` that the error names, if any."""
    text = body.message.lower()
    for name in OPTIONAL_PARAMETERS:
        if name in sent and body.parameter == name:
            return name
    for name in OPTIONAL_PARAMETERS:
        if name in sent and re.search(rf"(?<![a-z_]){name}(?![a-z_])", text):
            return name
    return None


def is_value_out_of_range(body: ErrorBody) -> bool:
    """Return whether the error rejects the value of a parameter, not the parameter itself."""
    return _RANGE_WORDS.search(body.message.lower()) is not None


def _error_class(body: ErrorBody) -> type[errors.ProviderError]:
    status, text, names = body.status, body.message.lower(), {body.code, body.kind}
    may_be_too_long = status in {None, 400, 413, 422, 500}
    if status is not None and 300 <= status < 400:
        return errors.RedirectRefused
    if names & _CONTEXT_CODES or status == 413:
        return errors.ContextTooLong
    if may_be_too_long and _CONTEXT_WORDS.search(text) and not _CAP_TOO_LARGE.search(text):
        return errors.ContextTooLong
    if status in {400, 404, 415, 422, 500} and _IMAGE_WORDS.search(text):
        return errors.ImagesRefused
    if names & _CREDIT_CODES or status == 402 or _CREDIT_WORDS.search(text):
        return errors.NoCredit
    if status in {400, 401, 403} and (_KEY_WORDS.search(text) or body.code == "invalid_api_key"):
        return errors.WrongKey
    if names & _FILTER_CODES or (status in {400, 403, 451} and _FILTER_WORDS.search(text)):
        return errors.ContentFiltered
    if status == 401:
        return errors.NoPermission if "permission" in text else errors.WrongKey
    if status == 403:
        return errors.NoPermission
    if names & _PARAMETER_CODES:
        return errors.RefusedParameter
    if body.code in _MODEL_CODES or (status in {400, 404, 422} and _MODEL_WORDS.search(text)):
        return errors.UnknownModel
    if status == 404:
        names_model = body.is_json and "model" in f"{text} {body.code} {body.parameter}"
        return errors.UnknownModel if names_model else errors.MalformedResponse
    if status == 405 or (status is not None and status < 400):
        return errors.MalformedResponse
    if status in {400, 422} and refused_parameter(body, set(OPTIONAL_PARAMETERS)):
        return errors.RefusedParameter
    if status == 429 or "rate_limit" in f"{body.code} {body.kind}":
        return errors.RateLimited
    if status is None or status >= 500 or status == 408:
        return errors.ProviderDown
    return errors.BadRequest


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the wait from `retry-after-ms`, or from the seconds or date in `retry-after`."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / per_second
        except ValueError:
            continue
        return seconds if 0 <= seconds < 1e8 else None  # also rejects NaN
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError, IndexError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def _retry_at(headers: Mapping[str, str], now: datetime) -> datetime | None:
    seconds = retry_after_seconds(headers, now)
    return None if seconds is None else now + timedelta(seconds=seconds)

"""Map error responses of providers to Parley's errors. Pure: no SDK, no network.

Providers word their errors differently and some use the wrong HTTP status. Error codes are
therefore checked first, then the message, then the status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from chat import errors
from chat.observability.redaction import redact
from chat.providers.openai_compatible.error_body import ErrorBody
from chat.providers.openai_compatible.retry_after import seconds_to_wait

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
    r"context[ _](?:length|size|window|limit)|maximum context|prompt is too long"
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
_ADDRESS_WORDS = re.compile(
    r"^not found\.?$|unexpected endpoint|unknown (?:url|endpoint|path|route|request url)"
    r"|unrecognized request url|invalid url|cannot (?:get|post)\b"
    r"|no (?:such )?(?:route|endpoint|handler)\b(?! found that)"
    r"|(?:route|endpoint|path|page|url|resource)\b.{0,120}(?:not found|does not exist|not exist)"
    r"|method not allowed|not found:? /\S*completions"
)
_UNVERIFIED_WORDS = re.compile(
    r"(?:organi[sz]ation|account|user|project)\b.{0,60}(?:must|needs? to|has to|not)\b.{0,20}verif"
    r"|unverified (?:organi[sz]ation|account|user)|verify your (?:organi[sz]ation|account|identity)"
)
_RATE_WORDS = re.compile(
    r"rate[ _-]?limit|too many requests|quota exceeded|throttl|(?:requests|tokens) per (?:min|day)"
)
_DOWN_WORDS = re.compile(
    r"overloaded|server is busy|at capacity|temporarily|unavailable|try again later|time[ds]? ?out"
)
_REFUSAL_WORDS = re.compile(
    r"\bnot\b|n't\b|\bno\b|unsupported|invalid|unknown|unexpected|cannot|disallow|forbid|only|must"
    r"|disabled|expected"
)
_STREAM_WORDS = re.compile(
    r"\bstream(?:ing|ed)?\b[^.]{0,80}(?:\bnot\b|n't\b|unsupported|disabled|unavailable|only|false)"
    r"|(?:\bnot\b|n't\b|\bno\b|cannot|unsupported|verified to|disable)[^.]{0,60}\bstream(?:ing)?\b"
)
_SYSTEM_WORDS = re.compile(
    r"\b(?:system|developer)[ _-]?(?:role|message|prompt|instruction)s?\b"
    r"|[\"'`](?:system|developer)[\"'`]|\broles?\W{1,4}(?:system|developer)\b"
    r"|\brole\b[^.]{0,40}\b(?:system|developer)\b"
)
_ALTERNATION_WORDS = re.compile(
    r"roles? must alternate|must alternate between"
    r"|only (?:the )?\W?user\W? and \W?(?:assistant|model)"
    r"|(?:should|must) be \W?user\W? or \W?(?:assistant|model)|(?:start|begin)s? with a?n? ?\W?user"
    r"|first message must be (?:from )?(?:the )?\W?user"
)
_RANGE_WORDS = re.compile(
    r"too (?:large|big|high|small|long)|maximum|exceed|up to|larger than|at most|at least|must be"
    r"|less than|greater than|range|between"
)
_CAP_TOO_LARGE = re.compile(
    r"max_(?:completion_)?tokens.{0,40}(?:too large|at most|less than|must be)"
)


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
    now = now or datetime.now(UTC)
    seconds = seconds_to_wait(body, headers, now)
    is_temporary = kind in (errors.RateLimited, errors.ProviderDown)
    retry_at = now + timedelta(seconds=seconds) if is_temporary and seconds is not None else None
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


def is_about_context(body: ErrorBody) -> bool:
    """Return whether the request, with or without its reply, exceeds the context window."""
    text = body.message.lower()
    if {body.code, body.kind} & _CONTEXT_CODES or body.status == 413:
        return True
    may_be = body.status in {None, 400, 413, 422, 500}
    return may_be and bool(_CONTEXT_WORDS.search(text)) and not _CAP_TOO_LARGE.search(text)


def refuses_stream(body: ErrorBody) -> bool:
    """Return whether the model does not stream, or not for this account."""
    return body.parameter == "stream" or bool(_STREAM_WORDS.search(body.message.lower()))


def refuses_system_prompt(body: ErrorBody) -> bool:
    """Return whether the model accepts no message with the role of the system."""
    text = body.message.lower()
    if _ALTERNATION_WORDS.search(text):
        return True
    return bool(_SYSTEM_WORDS.search(text) and _REFUSAL_WORDS.search(text))


def is_value_out_of_range(body: ErrorBody) -> bool:
    """Return whether the error rejects the value of a parameter, not the parameter itself."""
    return _RANGE_WORDS.search(body.message.lower()) is not None


def _error_class(body: ErrorBody) -> type[errors.ProviderError]:
    status, text, names = body.status, body.message.lower(), {body.code, body.kind}
    if status is not None and 300 <= status < 400:
        return errors.RedirectRefused
    if is_about_context(body):
        return errors.ContextTooLong
    if status in {None, 400, 404, 415, 422, 500} and _IMAGE_WORDS.search(text):
        return errors.ImagesRefused
    if names & _CREDIT_CODES or status == 402 or _CREDIT_WORDS.search(text):
        return errors.NoCredit
    is_key_code = body.code.replace("_", "") == "invalidapikey"
    if status in {None, 400, 401, 403} and (_KEY_WORDS.search(text) or is_key_code):
        return errors.WrongKey
    if names & _FILTER_CODES or (status in {None, 400, 403, 451} and _FILTER_WORDS.search(text)):
        return errors.ContentFiltered
    if _UNVERIFIED_WORDS.search(text):
        return errors.OrganizationUnverified
    if status == 401:
        return errors.NoPermission if "permission" in text else errors.WrongKey
    if status == 403:
        return errors.NoPermission
    if status in {400, 404, 422} and (refuses_stream(body) or refuses_system_prompt(body)):
        return errors.BadRequest  # adaptations did not help
    if names & _PARAMETER_CODES:
        return errors.RefusedParameter
    if body.code in _MODEL_CODES or (status in {None, 400, 404, 422} and _MODEL_WORDS.search(text)):
        return errors.UnknownModel
    if status in {None, 200, 400, 404, 405, 422} and _ADDRESS_WORDS.search(text):
        return errors.MalformedResponse
    if status == 404:
        names_model = body.is_json and "model" in f"{text} {body.code} {body.parameter}"
        return errors.UnknownModel if names_model else errors.MalformedResponse
    if status == 405:
        return errors.MalformedResponse
    if status in {400, 422} and refused_parameter(body, set(OPTIONAL_PARAMETERS)):
        return errors.RefusedParameter
    if status == 429 or "rate_limit" in f"{body.code} {body.kind}":
        return errors.RateLimited
    if status is None and _RATE_WORDS.search(text):
        return errors.RateLimited
    if status is not None and status < 400:
        return errors.MalformedResponse
    if status is None or status >= 500 or status == 408:
        return errors.ProviderDown
    return errors.BadRequest

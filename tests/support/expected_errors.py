"""The error that Parley must raise for each fault of the test server."""

from __future__ import annotations

from chat import errors
from tests.support.llm_server import FAULTS

Kinds = dict[str, type[errors.ProviderError]]

BEFORE_ANY_TEXT: Kinds = {
    "401": errors.WrongKey,
    "402": errors.NoCredit,
    "403": errors.NoPermission,
    "404": errors.UnknownModel,
    "404-html": errors.MalformedResponse,
    "413": errors.ContextTooLong,
    "429": errors.RateLimited,
    "quota": errors.NoCredit,
    "500": errors.ProviderDown,
    "503": errors.ProviderDown,
    "bad-request": errors.BadRequest,
    "context": errors.ContextTooLong,
    "context-llama": errors.ContextTooLong,
    "parameter": errors.RefusedParameter,
    "filter": errors.ContentFiltered,
    "html": errors.MalformedResponse,
    "hang-up": errors.ConnectionLost,
    "stall-first": errors.FirstTokenTimeout,
    "empty": errors.EmptyReply,
}
AFTER_FIVE_TOKENS: Kinds = {
    "break": errors.StreamInterrupted,
    "unfinished": errors.IncompleteReply,
    "stall": errors.StreamStalled,
    "error-event": errors.ProviderDown,
    "filtered": errors.ContentFiltered,
}
NO_ERROR = {
    "length",
    "json",
    "malformed",
    "refuses-temperature",
    "refuses-max_tokens",
    "refuses-stream_options",
}
assert set(FAULTS) == {*BEFORE_ANY_TEXT, *AFTER_FIVE_TOKENS, *NO_ERROR}, "fault without an error"

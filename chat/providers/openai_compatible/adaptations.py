"""What to change in a request that a provider has refused. Pure.

Each refusal leads to one change, which is made once per request: leave out or rename an optional
parameter, lower the reply length, move the system prompt into the question, or ask for the reply
in one piece. `error_mapping` names the cause of refusals that no change helps against.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from chat.providers.openai_compatible.error_body import ErrorBody
from chat.providers.openai_compatible.error_mapping import (
    is_about_context,
    is_value_out_of_range,
    refused_parameter,
    refuses_stream,
    refuses_system_prompt,
)

STREAM, SYSTEM_PROMPT, REPLY_LENGTH = "stream", "system prompt", "reply length"
Fixes = Mapping[str, str | int | None]
_MAX_LEARNED_MODELS = 1000
_LIMIT_ALIASES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_REFUSALS = {400, 403, 404, 405, 413, 415, 422, 500, 501}  # statuses
_MIN_REPLY_TOKENS = 16  # a shorter reply is of no use: the conversation is too long
_NUMBER = re.compile(
    r"(?<![\w.-])\d{1,3}(?:[,_]\d{3})+(?!\w|,\d)|(?<![\w.-])\d{1,9}(?![\w]|[.-]\d)"
)
_REPLY_WORDS = re.compile(
    r"max_(?:new_|completion_|output_)?tokens|completion|output tokens|tokens to generate"
    r"|reply length|response length|maximum allowed"
)


@dataclass(frozen=True, slots=True)
class ParameterFix:
    """Send parameter `name` as `replacement`, or omit it if that is None.

    For `STREAM` and `SYSTEM_PROMPT` see `request_body`; for `REPLY_LENGTH`, `replacement` is the
    number of tokens.
    """

    name: str
    replacement: str | int | None
    is_lasting: bool  # False if only the value was refused, so the next request may send it again


class LearnedParameters:
    """Parameters that models of one provider refuse, learned from their error responses.

    Maps a parameter to the name to send it by, or to None if it is omitted.
    """

    def __init__(self) -> None:
        self._models: LRUCache[str, dict[str, str | int | None]] = LRUCache(_MAX_LEARNED_MODELS)

    def for_model(self, model: str) -> dict[str, str | int | None]:
        return dict(self._models.get(model, {}))

    def remember(self, model: str, fixes: Fixes) -> None:
        if fixes:
            self._models[model] = {**self._models.get(model, {}), **fixes}


def find_parameter_fix(
    refusal: ErrorBody, sent: Mapping[str, Any], applied: Fixes, limit_name: str
) -> ParameterFix | None:
    """Return the change to make after a refusal of the body `sent`.

    None if no change may help, or if it was made before. `limit_name` is the name that this
    endpoint uses for the reply length limit.
    """
    if refusal.status not in _REFUSALS:
        return None
    is_client_error = (refusal.status or 500) < 500  # a server error may be temporary
    if STREAM not in applied and sent.get("stream") and refuses_stream(refusal):
        return ParameterFix(STREAM, None, is_lasting=is_client_error)
    if SYSTEM_PROMPT not in applied and _has_system(sent) and refuses_system_prompt(refusal):
        return ParameterFix(SYSTEM_PROMPT, None, is_lasting=is_client_error)
    cap = next((sent[name] for name in _LIMIT_ALIASES if name in sent), None)
    if cap is not None:
        fix = _shorter_reply(refusal, cap, applied, limit_name)
        if fix is not None:
            return fix
    refused = refused_parameter(refusal, set(sent))
    name = limit_name if refused in _LIMIT_ALIASES else refused
    if refused is None or name is None or name in applied or is_about_context(refusal):
        return None
    is_lasting = not is_value_out_of_range(refusal)
    return ParameterFix(name, _LIMIT_ALIASES.get(refused) if is_lasting else None, is_lasting)


def _shorter_reply(
    refusal: ErrorBody, cap: int, applied: Fixes, limit_name: str
) -> ParameterFix | None:
    """Return the change for a reply length that is too large, alone or with the prompt."""
    is_context = is_about_context(refusal)
    is_named = _REPLY_WORDS.search(refusal.message.lower()) is not None
    if not is_context and not (is_named and is_value_out_of_range(refusal)):
        return None
    numbers = _numbers(refusal.message)
    lower = _room(numbers, cap) if is_context or "context" in refusal.message.lower() else None
    if lower is None and not is_context:
        lower = max((each for each in numbers if each < cap), default=None)
    if lower is not None and REPLY_LENGTH not in applied:
        is_useful = lower >= _MIN_REPLY_TOKENS
        return ParameterFix(REPLY_LENGTH, lower, is_lasting=False) if is_useful else None
    is_prompt = is_context and REPLY_LENGTH not in applied and _prompt_exceeds(numbers, cap)
    if not is_named or is_prompt or limit_name in applied:
        return None
    return ParameterFix(limit_name, None, is_lasting=False)


def _numbers(message: str) -> list[int]:
    found = _NUMBER.findall(message[:2000])[:30]
    return [int(re.sub("[,_]", "", each)) for each in found]


def _room(numbers: list[int], cap: int) -> int | None:
    """Return the tokens that the prompt leaves in the window.

    Whatever the wording, such a message holds the tokens of the prompt, the reply length that was
    asked for and the window, which their sum exceeds.
    """
    if cap not in numbers and not any(each + cap in numbers for each in numbers):
        return None
    others = list(numbers)
    if cap in others:
        others.remove(cap)
    pairs = [
        (prompt + cap in numbers, window - prompt)
        for prompt in others
        for window in others
        if 0 < prompt < window < prompt + cap
    ]
    return max(pairs)[1] if pairs else None


def _prompt_exceeds(numbers: list[int], cap: int) -> bool:
    """Return whether the message compares two numbers, neither of which is the reply length."""
    return cap not in numbers and len(set(numbers)) >= 2


def _has_system(sent: Mapping[str, Any]) -> bool:
    messages = sent.get("messages")
    return bool(messages) and messages[0].get("role") == "system"  # type: ignore[index]

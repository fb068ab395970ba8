"""Request bodies, and the parameters that a model was found to refuse. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from chat.providers.base import Request, Turn
from chat.providers.openai_compatible.error_body import ErrorBody
from chat.providers.openai_compatible.error_mapping import (
    is_value_out_of_range,
    refused_parameter,
)

CONTINUE_PROMPT = (
    "Continue your last message exactly where it stopped, in the middle of a word or of code if "
    "necessary. Do not repeat any of it, do not comment on it and do not start over."
)
_MAX_LEARNED_MODELS = 1000
_LIMIT_ALIASES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class LearnedParameters:
    """Parameters that models of one provider refuse, learned from their error responses.

    Maps a parameter to the name to send it by, or to None if it is omitted.
    """

    def __init__(self) -> None:
        self._models: LRUCache[str, dict[str, str | None]] = LRUCache(_MAX_LEARNED_MODELS)

    def for_model(self, model: str) -> dict[str, str | None]:
        return dict(self._models.get(model, {}))

    def remember(self, model: str, fixes: Mapping[str, str | None]) -> None:
        if fixes:
            self._models[model] = {**self._models.get(model, {}), **fixes}


@dataclass(frozen=True, slots=True)
class ParameterFix:
    """Send parameter `name` as `replacement`, or omit it if that is None."""

    name: str
    replacement: str | None
    is_lasting: bool  # False if only the value was refused, so the next request may send it again


def find_parameter_fix(
    refusal: ErrorBody, sent: Mapping[str, Any], applied: Mapping[str, str | None], limit_name: str
) -> ParameterFix | None:
    """Return the change to make after a refusal.

    None if the refusal names no optional parameter, or one that was changed before. `limit_name` is
    the name that this endpoint uses for the reply length limit.
    """
    refused = refused_parameter(refusal, set(sent))
    if refused is None:
        return None
    name = limit_name if refused in _LIMIT_ALIASES else refused
    if name in applied:
        return None
    is_lasting = not is_value_out_of_range(refusal)
    return ParameterFix(name, _LIMIT_ALIASES.get(refused) if is_lasting else None, is_lasting)


def request_body(
    request: Request, limit_name: str, fixes: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return the JSON body of a streaming chat completion request."""
    optional: dict[str, Any] = {
        "temperature": request.temperature,
        limit_name: request.max_tokens,
        "stream_options": {"include_usage": True},
    }
    body: dict[str, Any] = {"model": request.model, "messages": messages(request), "stream": True}
    for name, value in optional.items():
        name_here = fixes.get(name, name)
        if value is not None and name_here is not None:
            body[name_here] = value
    return body


def messages(request: Request) -> list[dict[str, Any]]:
    """Return the turns as API messages; a partial answer and `CONTINUE_PROMPT` come last."""
    found = [{"role": turn.role.value, "content": _content(turn)} for turn in request.turns]
    if request.system_prompt:
        found.insert(0, {"role": "system", "content": request.system_prompt})
    if request.partial_answer:
        found.append({"role": "assistant", "content": request.partial_answer})
        found.append({"role": "user", "content": CONTINUE_PROMPT})
    return found


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.pictures:
        return turn.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    for picture in turn.pictures:
        data = b64encode(picture.data).decode()
        url = f"data:{picture.media_type};base64,{data}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts

"""What is put into one call, and what was learned about parameters that a model refuses. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.providers.base import Request, Turn
from chat.providers.openai_compatible.error_mapping import (
    Said,
    adjustable_parameter,
    is_about_the_value,
)

GO_ON = (
    "Continue your last message exactly where it stopped, in the middle of the word or the code if "
    "need be. Do not repeat anything of it, do not comment on it, do not begin anew."
)
_OTHER_CAP = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class LearnedParameters:
    """For each model of one provider: a parameter to drop (None) or to send by another name."""

    def __init__(self) -> None:
        self._learned: dict[str, dict[str, str | None]] = {}

    def about(self, model: str) -> dict[str, str | None]:
        return dict(self._learned.get(model, {}))

    def remember(self, model: str, changes: Mapping[str, str | None]) -> None:
        if changes:
            self._learned[model] = {**self._learned.get(model, {}), **changes}


@dataclass(frozen=True, slots=True)
class ParameterFix:
    """Send the parameter as `name_here`, or not at all when that is None."""

    name: str
    name_here: str | None
    is_lasting: bool  # worth remembering: not only this value was refused


def parameter_fix(
    said: Said, sent: Mapping[str, Any], made: Mapping[str, str | None], cap: str
) -> ParameterFix | None:
    """What to change after a refusal.

    None when it is about no parameter of ours, or when that one was changed before: once is enough.
    """
    refused = adjustable_parameter(said, set(sent))
    if refused is None:
        return None
    name = cap if refused in _OTHER_CAP else refused
    if name in made:
        return None
    is_lasting = not is_about_the_value(said)
    return ParameterFix(name, _OTHER_CAP.get(refused) if is_lasting else None, is_lasting)


def parameters(request: Request, cap: str, changes: Mapping[str, str | None]) -> dict[str, Any]:
    """The body of the call; `cap` is what the limit of the reply's length is called here."""
    wanted: dict[str, Any] = {
        "temperature": request.temperature,
        cap: request.max_tokens,
        "stream_options": {"include_usage": True},
    }
    body: dict[str, Any] = {"model": request.model, "messages": messages(request), "stream": True}
    for name, value in wanted.items():
        name_here = changes.get(name, name)
        if value is not None and name_here is not None:
            body[name_here] = value
    return body


def messages(request: Request) -> list[dict[str, Any]]:
    """The turns in the API's words; last an answer to be continued and the wish to go on."""
    said = [{"role": turn.role.value, "content": _content(turn)} for turn in request.turns]
    if request.system_prompt:
        said.insert(0, {"role": "system", "content": request.system_prompt})
    if request.continues:
        said.append({"role": "assistant", "content": request.continues})
        said.append({"role": "user", "content": GO_ON})
    return said


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.pictures:
        return turn.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    for picture in turn.pictures:
        data = b64encode(picture.data).decode()
        url = f"data:{picture.media_type};base64,{data}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts

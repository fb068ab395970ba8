"""Bodies of chat completion requests, with the changes that a model was found to need. Pure."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from chat.providers.base import Request, Turn
from chat.providers.openai_compatible.adaptations import (
    REPLY_LENGTH,
    STREAM,
    SYSTEM_PROMPT,
    Fixes,
)

CONTINUE_PROMPT = (
    "Continue your last message exactly where it stopped, in the middle of a word or of code if "
    "necessary. Do not repeat any of it, do not comment on it and do not start over."
)


def request_body(request: Request, limit_name: str, fixes: Fixes) -> dict[str, Any]:
    """Return the JSON body of a chat completion request, which streams unless `fixes` say no."""
    is_streamed = STREAM not in fixes
    optional: dict[str, Any] = {
        "temperature": request.temperature,
        limit_name: fixes.get(REPLY_LENGTH, request.max_tokens),
        "stream_options": {"include_usage": True} if is_streamed else None,
    }
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages(request, has_system_role=SYSTEM_PROMPT not in fixes),
        "stream": is_streamed,
    }
    for name, value in optional.items():
        name_here = fixes.get(name, name)
        if value is not None and isinstance(name_here, str):
            body[name_here] = value
    return body


def messages(request: Request, *, has_system_role: bool = True) -> list[dict[str, Any]]:
    """Return the turns as API messages; a partial answer and `CONTINUE_PROMPT` come last.

    Without a system role, the system prompt is the beginning of the first message.
    """
    found = [{"role": turn.role.value, "content": _content(turn)} for turn in request.turns]
    if request.system_prompt and has_system_role:
        found.insert(0, {"role": "system", "content": request.system_prompt})
    elif request.system_prompt:
        found = _with_prompt_in_question(found, request.system_prompt)
    if request.partial_answer:
        found.append({"role": "assistant", "content": request.partial_answer})
        found.append({"role": "user", "content": CONTINUE_PROMPT})
    return found


def _with_prompt_in_question(
    messages: list[dict[str, Any]], system_prompt: str
) -> list[dict[str, Any]]:
    if not messages or messages[0]["role"] != "user":
        return [{"role": "user", "content": system_prompt}, *messages]
    content = messages[0]["content"]
    if isinstance(content, str):
        content = f"{system_prompt}\n\n{content}"
    else:
        content = [{"type": "text", "text": system_prompt}, *content]
    return [{"role": "user", "content": content}, *messages[1:]]


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.pictures:
        return turn.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    for picture in turn.pictures:
        data = b64encode(picture.data).decode()
        url = f"data:{picture.media_type};base64,{data}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts

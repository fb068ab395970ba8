"""Fields of one chunk of a reply, in the dialects of providers. Pure.

A chunk is the JSON value of one event, or a whole reply of a server that does not stream. This
module knows where text, reasoning, finish reason and usage may be; `reply_assembler` knows what
they mean in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_WRAPPERS = ("data", "result", "response", "output", "payload")
_PROMPT_COUNTS = ("prompt_tokens", "input_tokens", "promptTokens", "inputTokens")
_COMPLETION_COUNTS = ("completion_tokens", "output_tokens", "completionTokens", "outputTokens")
_TOTAL_COUNTS = ("total_tokens", "totalTokens")
_FINISH_FIELDS = ("finish_reason", "finishReason", "stop_reason")
_REASONING_FIELDS = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "reasoning_details",
    "thinking_blocks",
)
_TEXT_FIELDS = ("text", "thinking", "summary", "content", "reasoning")
_THINKING_PARTS = ("think", "thought", "reason")


def unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """Return the chunk inside the envelope that some gateways put around it."""
    if "choices" not in value:
        for name in _WRAPPERS:
            inner = value.get(name)
            if isinstance(inner, dict) and "choices" in inner:
                return inner
    return value


def first_choice(chunk: dict[str, Any]) -> dict[str, Any] | None:
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else None


def finish_word(choice: dict[str, Any]) -> str:
    """Return the finish reason as the provider spells it; "" if there is none."""
    for name in _FINISH_FIELDS:
        reason = choice.get(name)
        if reason is None:
            continue
        if isinstance(reason, dict):
            reason = reason.get("type") or reason.get("reason")
        if isinstance(reason, str) and reason:
            return reason
    return ""


def content(delta: dict[str, Any]) -> tuple[str, str]:
    """Return (reasoning, text) of a delta or message; a refusal counts as text.

    Mistral sends the content as a list of parts, OpenRouter the reasoning as a list of details.
    """
    reasoning = ""
    for name in _REASONING_FIELDS:
        if (value := delta.get(name)) and (reasoning := _plain_text(value)):
            break
    text = delta.get("content")
    if isinstance(text, list):
        parts = [part for part in text if isinstance(part, dict)]
        reasoning += "".join(_part_text(part) for part in parts if _is_thinking(part))
        text = "".join(_part_text(part) for part in parts if not _is_thinking(part))
    elif not isinstance(text, str):
        text = ""
    if text and ("thought" in delta or "extra_content" in delta) and _is_marked(delta):
        reasoning, text = reasoning + text, ""
    refusal = delta.get("refusal")
    return reasoning, text + refusal if isinstance(refusal, str) else text


def calls_tool(delta: dict[str, Any]) -> bool:
    return bool(delta.get("tool_calls") or delta.get("function_call"))


def usage_counts(chunk: dict[str, Any]) -> tuple[int, int] | None:
    """Return the (prompt, completion) tokens that a chunk reports; 0 for a missing count."""
    for place in (chunk, first_choice(chunk), chunk.get("x_groq")):
        usage = place.get("usage") if isinstance(place, dict) else None
        if isinstance(usage, dict):
            prompt = _count(usage, _PROMPT_COUNTS)
            completion = _count(usage, _COMPLETION_COUNTS)
            if prompt:  # Gemini and xAI count reasoning in the total only
                completion = max(completion, _count(usage, _TOTAL_COUNTS) - prompt)
            return prompt, completion
    return None


def _count(usage: dict[str, Any], names: tuple[str, ...]) -> int:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e15:
            return int(value)
    return 0


def _is_marked(delta: dict[str, Any]) -> bool:
    """Return whether the content is a thought: Gemini marks it so in `extra_content.google`."""
    extra = delta.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    return delta.get("thought") is True or (
        isinstance(google, dict) and google.get("thought") is True
    )


def _is_thinking(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    return part.get("thought") is True or (
        any(stem in kind.lower() for stem in _THINKING_PARTS)
        if isinstance(kind, str)
        else "thinking" in part
    )


def _part_text(part: dict[str, Any]) -> str:
    return next(filter(None, (_plain_text(part.get(name)) for name in _TEXT_FIELDS)), "")


def _plain_text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(_texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, dict):
                yield _part_text(part)
    elif isinstance(value, dict):
        yield _part_text(value)

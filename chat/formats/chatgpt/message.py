"""Parse a node of a ChatGPT export into text or reasoning, or a reason to skip it. Pure.

The format is not documented; this is based on exports from 2023 to 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from chat.attachments.file_names import clean_name
from chat.domain.message import Role, Status
from chat.formats import validation
from chat.formats.import_report import MAX_ROLE_LENGTH

# Citations and widgets: private use characters around data for the web page.
_PRIVATE_SPANS = re.compile("\ue200[^\ue200\ue201]*\ue201")
_PRIVATE_CHARACTERS = re.compile("[\ue200-\ue206]")
_BACKTICK_RUNS = re.compile(r"`{3,}")
_IMAGE = "[Image, not included in the export]"
_RECORDING = "[Recording, not included in the export]"
_PLACEHOLDERS = {
    "image_asset_pointer": _IMAGE,
    "audio_asset_pointer": _RECORDING,
    "real_time_user_audio_video_asset_pointer": _RECORDING,
    "video_container_asset_pointer": "[Video, not included in the export]",
}
_FINISH_REASONS = {"max_tokens": "length", "stop": "stop"}


class SkipReason(Enum):
    """The reason for skipping a node."""

    EMPTY = auto()
    HIDDEN = auto()
    SYSTEM = auto()
    TOOL = auto()


@dataclass(frozen=True, slots=True)
class UnknownRole:
    """The reason for skipping a node with an unknown role."""

    role: str


@dataclass(frozen=True, slots=True)
class MessagePart:
    """The content that a node adds to its question or answer."""

    role: Role
    text: str = ""
    reasoning: str = ""
    reasoning_ms: int | None = None
    status: Status = Status.COMPLETE
    finish_reason: str | None = None
    model: str | None = None
    is_secondary: bool = False  # reasoning or program output, which does not set the status


def parse_node(message: Any) -> MessagePart | SkipReason | UnknownRole:
    value = validation.mapping(message)
    author = validation.mapping(value.get("author"))
    metadata = validation.mapping(value.get("metadata"))
    content = validation.mapping(value.get("content"))
    role, kind = validation.text(author.get("role")), validation.text(content.get("content_type"))
    is_hidden = metadata.get("is_visually_hidden_from_conversation") is True
    has_weight = validation.number(value.get("weight")) != 0
    if not value:
        return SkipReason.EMPTY
    if is_hidden or metadata.get("is_user_system_message") is True:
        return SkipReason.HIDDEN if role != "system" else SkipReason.SYSTEM
    if role == "user":
        if kind == "user_editable_context":
            return SkipReason.SYSTEM
        text = "\n\n".join(
            filter(None, (*_attachment_placeholders(metadata), _text(kind, content)))
        )
        return MessagePart(Role.USER, text) if text else SkipReason.EMPTY
    if role == "assistant":
        return _answer(value, kind, content, metadata) if has_weight else SkipReason.HIDDEN
    if role == "tool":
        return _tool_output(kind, content)
    if role == "system":
        return SkipReason.SYSTEM if _text(kind, content) else SkipReason.EMPTY
    return UnknownRole(role[:MAX_ROLE_LENGTH].strip())


def _answer(
    value: Mapping[str, Any], kind: str, content: Mapping[str, Any], metadata: Mapping[str, Any]
) -> MessagePart | SkipReason:
    model = validation.optional_text(metadata.get("model_slug"), 100)
    model = f"chatgpt/{model}" if model else None
    seconds = validation.integer(metadata.get("finished_duration_sec"), 1_000_000)
    if kind == "thoughts":
        thoughts = "\n\n".join(_thoughts(content))
        return MessagePart(Role.ASSISTANT, reasoning=thoughts, model=model, is_secondary=True)
    if kind == "reasoning_recap":
        reasoning_ms = seconds * 1000 if seconds is not None else None
        return MessagePart(
            Role.ASSISTANT, reasoning_ms=reasoning_ms, model=model, is_secondary=True
        )
    recipient = validation.text(value.get("recipient")) or "all"
    if kind == "code":
        if recipient not in ("all", "python"):
            return SkipReason.TOOL
        language = validation.text(content.get("language"), 20)
        text = _code_block(
            validation.text(content.get("text")), "python" if recipient != "all" else language
        )
    elif recipient != "all":
        return SkipReason.TOOL
    else:
        text = _text(kind, content)
    if not text:
        return SkipReason.EMPTY
    end = validation.text(validation.mapping(metadata.get("finish_details")).get("type"))
    status = Status.COMPLETE
    if end == "interrupted":
        status = Status.STOPPED
    elif value.get("status") in ("in_progress", "finished_partial_completion"):
        status = Status.INTERRUPTED
    return MessagePart(
        Role.ASSISTANT, text, status=status, finish_reason=_FINISH_REASONS.get(end), model=model
    )


def _tool_output(kind: str, content: Mapping[str, Any]) -> MessagePart | SkipReason:
    """Return the visible output of a tool: program output and images."""
    if kind == "execution_output":
        text = _code_block(validation.text(content.get("text")), "")
    elif kind == "multimodal_text":
        pointers = [
            part for part in validation.sequence(content.get("parts")) if isinstance(part, dict)
        ]
        text = "\n\n".join(filter(None, map(_part, pointers)))
    else:
        return SkipReason.TOOL
    return MessagePart(Role.ASSISTANT, text, is_secondary=True) if text else SkipReason.TOOL


def _text(kind: str, content: Mapping[str, Any]) -> str:
    parts = content.get("parts")
    if isinstance(parts, list):
        texts = [_part(part) for part in parts]
        if any(_is_transcript(part) for part in parts):  # the recording is transcribed
            texts = [text for text in texts if text != _RECORDING]
        return _clean("\n\n".join(filter(None, texts)))
    for name in ("text", "result", "content"):
        if found := validation.text(content.get(name)):
            return _clean(_code_block(found, "") if kind == "code" else found)
    return ""


def _part(part: Any) -> str:
    if isinstance(part, str):
        return validation.text(part).strip()
    value = validation.mapping(part)
    kind = validation.text(value.get("content_type"))
    if kind in _PLACEHOLDERS:
        return _PLACEHOLDERS[kind]
    if text := validation.text(value.get("text")).strip():
        return text
    return "[Content not included in the export]" if value else ""


def _is_transcript(part: Any) -> bool:
    return validation.mapping(part).get("content_type") == "audio_transcription"


def _thoughts(content: Mapping[str, Any]) -> Iterator[str]:
    for thought in map(validation.mapping, validation.sequence(content.get("thoughts"))):
        summary = validation.text(thought.get("summary"))
        detail = validation.text(thought.get("content"))
        summary = f"**{summary.strip()}**" if summary.strip() else ""
        if text := "\n\n".join(filter(None, (summary, detail.strip()))):
            yield text


def _attachment_placeholders(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield a placeholder for each attached file. Images are part of the content already."""
    for file in map(validation.mapping, validation.sequence(metadata.get("attachments"))):
        is_image = validation.text(file.get("mime_type")).startswith("image/")
        name = validation.text(file.get("name"), 1000)
        if name and not is_image:
            yield f"[File “{clean_name(name)}”, not included in the export]"


def _code_block(text: str, language: str) -> str:
    if not text.strip():
        return ""
    longest = max((len(run.group()) for run in _BACKTICK_RUNS.finditer(text)), default=2)
    fence = "`" * (longest + 1)
    name = language if language.isalnum() and language != "unknown" else ""
    return f"{fence}{name}\n{text.rstrip()}\n{fence}"


def _clean(text: str) -> str:
    return _PRIVATE_CHARACTERS.sub("", _PRIVATE_SPANS.sub("", text)).strip()

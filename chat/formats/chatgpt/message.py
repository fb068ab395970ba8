"""What one node of a ChatGPT export says: its text, its thoughts, or nothing to be kept. Pure.

The format is described nowhere officially; this follows what exports from 2023 to 2026 hold.
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
from chat.formats.import_report import LONGEST_ROLE

# Where the page shows a source or a widget: private characters around words for the program.
_MARKED = re.compile("\ue200[^\ue200\ue201]*\ue201")
_LONE_MARKS = re.compile("[\ue200-\ue206]")
_RUNS = re.compile(r"`{3,}")
_PICTURE = "[Image, not included in the export]"
_SOUND = "[Recording, not included in the export]"
_POINTERS = {
    "image_asset_pointer": _PICTURE,
    "audio_asset_pointer": _SOUND,
    "real_time_user_audio_video_asset_pointer": _SOUND,
    "video_container_asset_pointer": "[Video, not included in the export]",
}
_ENDS = {"max_tokens": "length", "stop": "stop"}


class Left(Enum):
    """Why nothing of a node is kept."""

    EMPTY = auto()
    HIDDEN = auto()
    SYSTEM = auto()
    TOOL = auto()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing of a node is kept because nobody knows its role."""

    role: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a node adds to the question or the answer it belongs to."""

    role: Role
    text: str = ""
    reasoning: str = ""
    reasoning_ms: int | None = None
    status: Status = Status.COMPLETE
    finish_reason: str | None = None
    model: str | None = None
    is_aside: bool = False  # it begins no answer by itself: thoughts, what a program printed


def read_node(message: Any) -> Said | Left | Unknown:
    value = validation.mapping(message)
    author = validation.mapping(value.get("author"))
    metadata = validation.mapping(value.get("metadata"))
    content = validation.mapping(value.get("content"))
    role, kind = validation.text(author.get("role")), validation.text(content.get("content_type"))
    is_hidden = metadata.get("is_visually_hidden_from_conversation") is True
    has_weight = validation.number(value.get("weight")) != 0
    if not value:
        return Left.EMPTY
    if is_hidden or metadata.get("is_user_system_message") is True:
        return Left.HIDDEN if role != "system" else Left.SYSTEM
    if role == "user":
        if kind == "user_editable_context":
            return Left.SYSTEM
        text = "\n\n".join(filter(None, (*_attached(metadata), _text(kind, content))))
        return Said(Role.USER, text) if text else Left.EMPTY
    if role == "assistant":
        return _answer(value, kind, content, metadata) if has_weight else Left.HIDDEN
    if role == "tool":
        return _printed(kind, content)
    if role == "system":
        return Left.SYSTEM if _text(kind, content) else Left.EMPTY
    return Unknown(role[:LONGEST_ROLE].strip())


def _answer(
    value: Mapping[str, Any], kind: str, content: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Said | Left:
    model = validation.some_text(metadata.get("model_slug"), 100)
    model = f"chatgpt/{model}" if model else None
    seconds = validation.whole_number(metadata.get("finished_duration_sec"), 1_000_000)
    if kind == "thoughts":
        thoughts = "\n\n".join(_thoughts(content))
        return Said(Role.ASSISTANT, reasoning=thoughts, model=model, is_aside=True)
    if kind == "reasoning_recap":
        took = seconds * 1000 if seconds is not None else None
        return Said(Role.ASSISTANT, reasoning_ms=took, model=model, is_aside=True)
    recipient = validation.text(value.get("recipient")) or "all"
    if kind == "code":
        if recipient not in ("all", "python"):
            return Left.TOOL
        language = validation.text(content.get("language"), 20)
        text = _block(
            validation.text(content.get("text")), "python" if recipient != "all" else language
        )
    elif recipient != "all":
        return Left.TOOL
    else:
        text = _text(kind, content)
    if not text:
        return Left.EMPTY
    end = validation.text(validation.mapping(metadata.get("finish_details")).get("type"))
    status = Status.COMPLETE
    if end == "interrupted":
        status = Status.STOPPED
    elif value.get("status") in ("in_progress", "finished_partial_completion"):
        status = Status.INTERRUPTED
    return Said(Role.ASSISTANT, text, status=status, finish_reason=_ENDS.get(end), model=model)


def _printed(kind: str, content: Mapping[str, Any]) -> Said | Left:
    """Of what tools said, what a person saw: the output of a program, and pictures."""
    if kind == "execution_output":
        text = _block(validation.text(content.get("text")), "")
    elif kind == "multimodal_text":
        pointers = [
            part for part in validation.sequence(content.get("parts")) if isinstance(part, dict)
        ]
        text = "\n\n".join(filter(None, map(_part, pointers)))
    else:
        return Left.TOOL
    return Said(Role.ASSISTANT, text, is_aside=True) if text else Left.TOOL


def _text(kind: str, content: Mapping[str, Any]) -> str:
    parts = content.get("parts")
    if isinstance(parts, list):
        texts = [_part(part) for part in parts]
        if any(_is_transcript(part) for part in parts):  # what was said is there in words
            texts = [text for text in texts if text != _SOUND]
        return _clean("\n\n".join(filter(None, texts)))
    for name in ("text", "result", "content"):
        if found := validation.text(content.get(name)):
            return _clean(_block(found, "") if kind == "code" else found)
    return ""


def _part(part: Any) -> str:
    if isinstance(part, str):
        return validation.text(part).strip()
    value = validation.mapping(part)
    kind = validation.text(value.get("content_type"))
    if kind in _POINTERS:
        return _POINTERS[kind]
    if text := validation.text(value.get("text")).strip():
        return text
    return "[Something that is not included in the export]" if value else ""


def _is_transcript(part: Any) -> bool:
    return validation.mapping(part).get("content_type") == "audio_transcription"


def _thoughts(content: Mapping[str, Any]) -> Iterator[str]:
    for each in map(validation.mapping, validation.sequence(content.get("thoughts"))):
        summary, said = validation.text(each.get("summary")), validation.text(each.get("content"))
        summary = f"**{summary.strip()}**" if summary.strip() else ""
        if text := "\n\n".join(filter(None, (summary, said.strip()))):
            yield text


def _attached(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Files that went with a question; pictures among them stand in its parts already."""
    for each in map(validation.mapping, validation.sequence(metadata.get("attachments"))):
        is_picture = validation.text(each.get("mime_type")).startswith("image/")
        name = validation.text(each.get("name"), 1000)
        if name and not is_picture:
            yield f"[File “{clean_name(name)}”, not included in the export]"


def _block(text: str, language: str) -> str:
    if not text.strip():
        return ""
    longest = max((len(run.group()) for run in _RUNS.finditer(text)), default=2)
    fence = "`" * (longest + 1)
    name = language if language.isalnum() and language != "unknown" else ""
    return f"{fence}{name}\n{text.rstrip()}\n{fence}"


def _clean(text: str) -> str:
    return _LONE_MARKS.sub("", _MARKED.sub("", text)).strip()

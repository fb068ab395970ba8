"""Serialize a message and its attachment list to JSON, and parse untrusted JSON. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from chat.attachments.file_names import clean_name
from chat.domain.attachment import Attachment, FileKind
from chat.domain.message import Failure, Message, Role, Status, Usage
from chat.formats import validation
from chat.formats.conversation import Node

MAX_FILES = 100  # per message
_MAX_FILE_BYTES = 2**40
_SHA256 = re.compile(r"[0-9a-f]{64}")


def message_to_json(node: Node) -> dict[str, Any]:
    message = node.message
    usage, failure = message.usage, message.failure
    return {
        "id": message.id,
        "parent_id": message.parent_id,
        "origin": node.origin,
        "role": message.role.value,
        "text": message.text,
        "status": message.status.value,
        "created_at": message.created_at.isoformat(),
        "is_deleted": message.is_deleted,
        "tokens": message.tokens,
        "is_exact": message.is_exact,
        "reasoning": message.reasoning,
        "reasoning_ms": message.reasoning_ms,
        "finish_reason": message.finish_reason,
        "model": message.model,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "is_reported": usage.is_reported,
        }
        if usage
        else None,
        "first_token_ms": message.first_token_ms,
        "total_ms": message.total_ms,
        "failure": {
            "code": failure.code,
            "sentence": failure.sentence,
            "details": failure.details,
            "retry_at": failure.retry_at.isoformat() if failure.retry_at else None,
        }
        if failure
        else None,
        "replaces_id": message.replaces_id,
        "resume_leaf_id": node.resume_leaf_id,
        "attachments": [_file_to_json(file) for file in message.attachments],
    }


def message_from_json(raw: Any, started: datetime, now: datetime) -> Node | None:
    """Convert a JSON value to a node without depth, or None if it is not a message.

    `started` replaces an invalid creation time.
    """
    value = validation.mapping(raw)
    id_ = validation.text(value.get("id"))
    try:
        role = Role(validation.text(value.get("role")))
    except ValueError:
        return None
    text = value.get("text")
    if not id_ or len(id_) > 1000 or not isinstance(text, str):
        return None
    message = Message(
        id=id_,
        conversation_id="",
        parent_id=validation.optional_text(value.get("parent_id")),
        depth=0,
        role=role,
        text=validation.text(text),
        status=_status(value.get("status"), role),
        created_at=validation.timestamp(value.get("created_at"), now) or started,
        tokens=validation.integer(value.get("tokens")) or 0,
        is_exact=value.get("is_exact") is True,
        reasoning=validation.text(value.get("reasoning")),
        reasoning_ms=validation.integer(value.get("reasoning_ms")),
        finish_reason=validation.optional_text(value.get("finish_reason"), 40),
        model=validation.optional_text(value.get("model"), 300),
        usage=_usage(value.get("usage")),
        first_token_ms=validation.integer(value.get("first_token_ms")),
        total_ms=validation.integer(value.get("total_ms")),
        failure=_failure(value.get("failure"), now),
        replaces_id=validation.optional_text(value.get("replaces_id")),
        is_deleted=value.get("is_deleted") is True,
        attachments=_files(value.get("attachments"), id_),
    )
    return Node(
        message,
        origin=validation.optional_text(value.get("origin"), 200),
        resume_leaf_id=validation.optional_text(value.get("resume_leaf_id")),
    )


def _status(value: Any, role: Role) -> Status:
    if role is Role.USER:
        return Status.COMPLETE
    try:
        status = Status(validation.text(value))
    except ValueError:
        return Status.COMPLETE
    return Status.INTERRUPTED if status is Status.STREAMING else status


def _usage(raw: Any) -> Usage | None:
    value = validation.mapping(raw)
    prompt = validation.integer(value.get("prompt_tokens"))
    completion = validation.integer(value.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    return Usage(prompt, completion, value.get("is_reported") is True)


def _failure(raw: Any, now: datetime) -> Failure | None:
    value = validation.mapping(raw)
    code = validation.text(value.get("code"), 40)
    if not code:
        return None
    return Failure(
        code,
        validation.text(value.get("sentence"), 2000),
        validation.text(value.get("details"), 4000),
        validation.timestamp(value.get("retry_at"), now),
    )


def _file_to_json(file: Attachment) -> dict[str, Any]:
    return {
        "name": file.name,
        "kind": file.kind.value,
        "media_type": file.media_type,
        "size": file.size,
        "details": file.details,
        "tokens": file.tokens,
        "is_exact": file.is_exact,
        "is_partial": file.is_partial,
        "sha256": file.sha256,
        "text_sha256": file.text_sha256,
        "preview_sha256": file.preview_sha256,
    }


def _files(raw: Any, message_id: str) -> tuple[Attachment, ...]:
    files = (_file(each, message_id) for each in validation.sequence(raw)[:MAX_FILES])
    return tuple(file for file in files if file)


def _file(raw: Any, message_id: str) -> Attachment | None:
    value = validation.mapping(raw)
    sha256 = _sha256(value.get("sha256"))
    try:
        kind = FileKind(validation.text(value.get("kind")))
    except ValueError:
        return None
    if sha256 is None:
        return None
    return Attachment(
        id="",
        message_id=message_id,
        name=clean_name(validation.text(value.get("name"), 1000)),
        kind=kind,
        media_type=validation.text(value.get("media_type"), 100),
        size=validation.integer(value.get("size"), _MAX_FILE_BYTES) or 0,
        details=validation.text(value.get("details"), 200),
        tokens=validation.integer(value.get("tokens")) or 0,
        is_exact=value.get("is_exact") is True,
        sha256=sha256,
        text_sha256=_sha256(value.get("text_sha256")),
        preview_sha256=_sha256(value.get("preview_sha256")),
        is_partial=value.get("is_partial") is True,
    )


def _sha256(value: Any) -> str | None:
    return value if isinstance(value, str) and _SHA256.fullmatch(value) else None

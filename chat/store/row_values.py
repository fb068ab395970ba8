"""Converts rows, ORM objects or plain rows, to the values of `chat.domain`."""

from __future__ import annotations

from chat.domain.attachment import Attachment, FileKind
from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.message import Failure, Message, Role, Status, Usage
from chat.store.schema import AttachmentRow, ConversationRow, MessageRow, PlainRow


def as_message(row: MessageRow | PlainRow, attachments: tuple[Attachment, ...] = ()) -> Message:
    usage = None
    if row.prompt_tokens is not None or row.completion_tokens is not None:
        usage = Usage(
            row.prompt_tokens or 0, row.completion_tokens or 0, bool(row.usage_is_reported)
        )
    failure = None
    if row.error_code:
        failure = Failure(
            row.error_code, row.error_sentence or "", row.error_details or "", row.retry_at
        )
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        parent_id=row.parent_id,
        depth=row.depth,
        role=Role(row.role),
        text=row.text,
        status=Status(row.status),
        created_at=row.created_at,
        tokens=row.tokens,
        is_exact=row.is_exact,
        reasoning=row.reasoning,
        reasoning_ms=row.reasoning_ms,
        finish_reason=row.finish_reason,
        model=row.model,
        usage=usage,
        first_token_ms=row.first_token_ms,
        total_ms=row.total_ms,
        failure=failure,
        replaces_id=row.replaces_id,
        is_deleted=row.deleted_at is not None,
        attachments=attachments,
    )


def as_conversation(
    row: ConversationRow | PlainRow,
    cleared_ids: tuple[str, ...] = (),
    *,
    is_running: bool = False,
) -> Conversation:
    return Conversation(
        id=row.id,
        owner=row.owner,
        title=row.title,
        settings=ReplySettings(row.model, row.temperature, row.system_prompt, row.max_reply_tokens),
        leaf_id=row.leaf_id,
        cleared_ids=cleared_ids,
        created_at=row.created_at,
        updated_at=row.updated_at,
        is_running=is_running,
        is_pinned=row.pinned_at is not None,
    )


def as_attachment(row: AttachmentRow | PlainRow) -> Attachment:
    return Attachment(
        id=row.id,
        message_id=row.message_id,
        name=row.name,
        kind=FileKind(row.kind),
        media_type=row.media_type,
        size=row.size,
        details=row.details,
        tokens=row.tokens,
        is_exact=row.is_exact,
        sha256=row.sha256,
        text_sha256=row.text_sha256,
        preview_sha256=row.preview_sha256,
        is_partial=row.is_partial,
    )

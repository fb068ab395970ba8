"""Checks for rows that refer to a missing row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from chat.store.attachments import delete_unused_contents
from chat.store.doctor.checks import Check, Repair
from chat.store.schema import (
    AttachmentRow,
    ClearMarkRow,
    ContentRow,
    ConversationRow,
    MessageRow,
    ShareRow,
)


def _messages(session: Session) -> list[str]:
    has_conversation = exists().where(ConversationRow.id == MessageRow.conversation_id)
    return list(session.scalars(select(MessageRow.id).where(~has_conversation)))


def _attachments(session: Session) -> list[str]:
    has_message = exists().where(MessageRow.id == AttachmentRow.message_id)
    return list(session.scalars(select(AttachmentRow.id).where(~has_message)))


def _shares(session: Session) -> list[str]:
    has_conversation = exists().where(ConversationRow.id == ShareRow.conversation_id)
    return list(session.scalars(select(ShareRow.id).where(~has_conversation)))


def _clear_marks(session: Session) -> list[str]:
    has_message = exists().where(
        MessageRow.id == ClearMarkRow.message_id,
        MessageRow.conversation_id == ClearMarkRow.conversation_id,
    )
    rows = session.execute(
        select(ClearMarkRow.conversation_id, ClearMarkRow.message_id).where(~has_message)
    )
    return [f"{conversation_id}/{message_id}" for conversation_id, message_id in rows]


def _contents(session: Session) -> list[str]:
    is_used = exists().where(
        or_(
            AttachmentRow.sha256 == ContentRow.sha256,
            AttachmentRow.text_sha256 == ContentRow.sha256,
            AttachmentRow.preview_sha256 == ContentRow.sha256,
        )
    )
    return list(session.scalars(select(ContentRow.sha256).where(~is_used)))


def _delete_clear_marks(session: Session, ids: list[str]) -> None:
    for id_ in ids:
        conversation_id, _, message_id = id_.partition("/")
        session.execute(
            delete(ClearMarkRow).where(
                and_(
                    ClearMarkRow.conversation_id == conversation_id,
                    ClearMarkRow.message_id == message_id,
                )
            )
        )


def _delete_from(table: Any) -> Repair:
    def repair(session: Session, ids: list[str]) -> None:
        for id_ in ids:
            session.execute(delete(table).where(table.id == id_))

    return repair


CHECKS = (
    Check(
        "stray message",
        "messages without a conversation",
        _messages,
        advice="their owner is unknown: restore a backup that has their conversation",
    ),
    Check("stray file", "files without a message", _attachments, _delete_from(AttachmentRow)),
    Check("unused content", "contents that no file uses", _contents, delete_unused_contents),
    Check("stray link", "shared links without a conversation", _shares, _delete_from(ShareRow)),
    Check("stray mark", "clear marks without a message", _clear_marks, _delete_clear_marks),
)

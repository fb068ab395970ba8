"""What belongs to something that is not there (any more)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from chat.store.attachments import delete_unused_contents
from chat.store.doctor.kinds import Kind
from chat.store.schema import (
    AttachmentRow,
    ClearMarkRow,
    ContentRow,
    ConversationRow,
    MessageRow,
    ShareRow,
)


def _messages(session: Session) -> list[str]:
    has = exists().where(ConversationRow.id == MessageRow.conversation_id)
    return list(session.scalars(select(MessageRow.id).where(~has)))


def _attachments(session: Session) -> list[str]:
    has = exists().where(MessageRow.id == AttachmentRow.message_id)
    return list(session.scalars(select(AttachmentRow.id).where(~has)))


def _shares(session: Session) -> list[str]:
    has = exists().where(ConversationRow.id == ShareRow.conversation_id)
    return list(session.scalars(select(ShareRow.id).where(~has)))


def _marks(session: Session) -> list[str]:
    has = exists().where(
        MessageRow.id == ClearMarkRow.message_id,
        MessageRow.conversation_id == ClearMarkRow.conversation_id,
    )
    found = session.execute(
        select(ClearMarkRow.conversation_id, ClearMarkRow.message_id).where(~has)
    )
    return [f"{conversation_id}/{message_id}" for conversation_id, message_id in found]


def _contents(session: Session) -> list[str]:
    needed = exists().where(
        or_(
            AttachmentRow.sha256 == ContentRow.sha256,
            AttachmentRow.text_sha256 == ContentRow.sha256,
            AttachmentRow.preview_sha256 == ContentRow.sha256,
        )
    )
    return list(session.scalars(select(ContentRow.sha256).where(~needed)))


def _drop_marks(session: Session, ids: list[str]) -> None:
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


def _drop(row: Any) -> Any:
    def drop(session: Session, ids: list[str]) -> None:
        for id_ in ids:
            session.execute(delete(row).where(row.id == id_))

    return drop


KINDS = (
    Kind(
        "stray message",
        "messages without a conversation",
        _messages,
        advice="nobody knows whose they are: restore a backup that has their conversation",
    ),
    Kind("stray file", "files without a message", _attachments, _drop(AttachmentRow)),
    Kind("unused content", "contents that no file needs", _contents, delete_unused_contents),
    Kind("stray link", "shared links without a conversation", _shares, _drop(ShareRow)),
    Kind("stray mark", "clear marks without a message", _marks, _drop_marks),
)

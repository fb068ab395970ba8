"""Conversations of an owner: list, open, settings, title, clear marks, delete and undo.

Every method takes the owner; somebody else's conversation answers as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, Select, delete, exists, select, update
from sqlalchemy.orm import Session

from chat.domain import Conversation, ReplySettings, Status
from chat.errors import NotFound
from chat.store.attachments import drop_unused, hashes_of
from chat.store.engine import reading, scrub, writing
from chat.store.schema import (
    AttachmentRow,
    ClearMarkRow,
    ConversationRow,
    MessageRow,
    ShareRow,
    now,
)


def owned(
    session: Session,
    owner: str,
    conversation_id: str,
    *,
    lock: bool = False,
    with_deleted: bool = False,
) -> ConversationRow:
    """The owner's conversation, or `NotFound`; `lock` holds it until the transaction ends."""
    if not conversation_id.isalnum():
        raise NotFound
    query = select(ConversationRow).where(
        ConversationRow.id == conversation_id, ConversationRow.owner == owner
    )
    if not with_deleted:
        query = query.where(ConversationRow.deleted_at.is_(None))
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound
    return row


_RUNNING = exists().where(
    MessageRow.conversation_id == ConversationRow.id,
    MessageRow.status == Status.STREAMING.value,
)


_IS_PINNED = ConversationRow.pinned_at.is_not(None)


def _mine(owner: str, *, is_deleted: bool = False) -> Select[ConversationRow, bool]:
    deleted = ConversationRow.deleted_at
    return (
        select(ConversationRow, _RUNNING)
        .where(
            ConversationRow.owner == owner,
            deleted.is_not(None) if is_deleted else deleted.is_(None),
        )
        .order_by(ConversationRow.updated_at.desc())
    )


def _listed(session: Session, query: Select[ConversationRow, bool]) -> list[Conversation]:
    return [row.to_domain(is_running=running) for row, running in session.execute(query)]


class ConversationStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, owner: str, conversation_id: str) -> Conversation:
        with reading(self._engine) as session:
            row = owned(session, owner, conversation_id)
            marks = session.scalars(
                select(ClearMarkRow.message_id)
                .where(ClearMarkRow.conversation_id == conversation_id)
                .order_by(ClearMarkRow.created_at)
            )
            running = session.scalar(select(_RUNNING).where(ConversationRow.id == conversation_id))
            return row.to_domain(tuple(marks), is_running=bool(running))

    def latest(self, owner: str, limit: int = 50) -> list[Conversation]:
        """The owner's conversations, the latest first, without the pinned ones."""
        with reading(self._engine) as session:
            return _listed(session, _mine(owner).where(~_IS_PINNED).limit(limit))

    def pinned(self, owner: str, limit: int = 50) -> list[Conversation]:
        """The owner's pinned conversations, the latest first."""
        with reading(self._engine) as session:
            return _listed(session, _mine(owner).where(_IS_PINNED).limit(limit))

    def deleted(self, owner: str, limit: int = 50) -> list[Conversation]:
        """What the owner has deleted and can still take back, the latest first."""
        query = _mine(owner, is_deleted=True).limit(limit)
        with reading(self._engine) as session:
            return _listed(session, query)

    def set_pinned(self, owner: str, conversation_id: str, *, is_pinned: bool) -> None:
        with writing(self._engine) as session:
            row = owned(session, owner, conversation_id, lock=True)
            row.pinned_at = now() if is_pinned else None

    def change_settings(self, owner: str, conversation_id: str, settings: ReplySettings) -> None:
        with writing(self._engine) as session:
            row = owned(session, owner, conversation_id, lock=True)
            for name, value in asdict(settings).items():
                setattr(row, name, value)

    def rename(self, owner: str, conversation_id: str, title: str) -> None:
        with writing(self._engine) as session:
            owned(session, owner, conversation_id, lock=True).title = title

    def clear(self, owner: str, conversation_id: str) -> None:
        """Context begins afresh after the message now in view."""
        with writing(self._engine) as session:
            row = owned(session, owner, conversation_id, lock=True)
            if row.leaf_id:
                mark = ClearMarkRow(
                    conversation_id=row.id, message_id=row.leaf_id, created_at=now()
                )
                session.merge(mark)

    def unclear(self, owner: str, conversation_id: str, message_id: str) -> None:
        with writing(self._engine) as session:
            owned(session, owner, conversation_id, lock=True)
            session.execute(
                delete(ClearMarkRow).where(
                    ClearMarkRow.conversation_id == conversation_id,
                    ClearMarkRow.message_id == message_id,
                )
            )

    def set_deleted(self, owner: str, conversation_id: str, *, is_deleted: bool) -> list[str]:
        """Hide a conversation or bring it back; the ids of the replies that run in it."""
        with writing(self._engine) as session:
            row = owned(session, owner, conversation_id, lock=True, with_deleted=True)
            row.deleted_at = now() if is_deleted else None
            return list(
                session.scalars(
                    select(MessageRow.id).where(
                        MessageRow.conversation_id == conversation_id,
                        MessageRow.status == Status.STREAMING.value,
                    )
                )
            )

    def purge(self, owner: str, conversation_id: str) -> None:
        """Remove a conversation and all that belongs to it, for good."""
        with writing(self._engine) as session:
            owned(session, owner, conversation_id, lock=True, with_deleted=True)
            _purge(session, [conversation_id])
        scrub(self._engine)

    def purge_deleted(self, before: datetime) -> int:
        """Remove for good what was deleted before a moment; how many conversations."""
        return self._purge_all(ConversationRow.deleted_at < before)

    def purge_idle(self, before: datetime) -> int:
        """Remove for good all in which nothing happened since a moment; how many."""
        return self._purge_all(ConversationRow.updated_at < before)

    def _purge_all(self, condition: ColumnElement[bool]) -> int:
        count = 0
        while True:
            with writing(self._engine) as session:
                old = session.scalars(
                    select(ConversationRow.id)
                    .where(condition)
                    .limit(100)
                    .with_for_update(skip_locked=True)
                ).all()
                _purge(session, old)
            if not old:
                break
            count += len(old)
        if count:
            scrub(self._engine)
        return count


def _purge(session: Session, conversation_ids: Sequence[str]) -> None:
    if not conversation_ids:
        return
    hashes = hashes_of(session, conversation_ids)
    ids = select(MessageRow.id).where(MessageRow.conversation_id.in_(conversation_ids))
    session.execute(delete(AttachmentRow).where(AttachmentRow.message_id.in_(ids)))
    # The database would follow parents downwards, row by row, and stop at a thousand.
    mine = MessageRow.conversation_id.in_(conversation_ids)
    session.execute(update(MessageRow).where(mine).values(parent_id=None))
    for row in (ShareRow, ClearMarkRow, MessageRow):
        session.execute(delete(row).where(row.conversation_id.in_(conversation_ids)))
    session.execute(delete(ConversationRow).where(ConversationRow.id.in_(conversation_ids)))
    drop_unused(session, hashes)

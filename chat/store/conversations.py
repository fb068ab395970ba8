"""Conversations of an owner: list, open, settings, title, clear marks, delete and undo.

Every method takes the owner; somebody else's conversation answers as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    bindparam,
    delete,
    exists,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import Session

from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.message import Status
from chat.errors import NotFound, ReplyRunning
from chat.store.attachments import drop_unused, hashes_of
from chat.store.engine import reading, scrub, writing
from chat.store.schema import (
    AttachmentRow,
    ClearMarkRow,
    ConversationRow,
    MessageRow,
    ShareRow,
    as_conversation,
    now,
)

IS_RUNNING = MessageRow.status == literal_column(f"'{Status.STREAMING.value}'")
"""Literally, as in the index of running replies: with a parameter the index would go unused."""

_CONVERSATIONS = ConversationRow.__table__
_MINE = (_CONVERSATIONS.c.owner == bindparam("owner")) & (_CONVERSATIONS.c.id == bindparam("id"))
_ANY = select(ConversationRow).where(_MINE)
_KEPT = _ANY.where(ConversationRow.deleted_at.is_(None))
_OWNED = {  # (lock, with_deleted)
    (False, False): _KEPT,
    (False, True): _ANY,
    (True, False): _KEPT.with_for_update(),
    (True, True): _ANY.with_for_update(),
}


def must_be_an_id(id: str) -> None:
    """What cannot be one is not looked for: a database may refuse it, a NUL for one."""
    if not id.isalnum():
        raise NotFound


def owned(
    session: Session,
    owner: str,
    conversation_id: str,
    *,
    lock: bool = False,
    with_deleted: bool = False,
) -> ConversationRow:
    """The owner's conversation, or `NotFound`; `lock` holds it until the transaction ends."""
    must_be_an_id(conversation_id)
    row = session.scalar(_OWNED[lock, with_deleted], {"owner": owner, "id": conversation_id})
    if row is None:
        raise NotFound
    return row


_RUNNING = (
    exists()
    .where(MessageRow.conversation_id == _CONVERSATIONS.c.id, IS_RUNNING)
    .label("is_running")
)
_ONE = (
    select(_CONVERSATIONS, _RUNNING, ClearMarkRow.message_id.label("cleared_id"))
    .outerjoin(ClearMarkRow, ClearMarkRow.conversation_id == _CONVERSATIONS.c.id)
    .where(_MINE, _CONVERSATIONS.c.deleted_at.is_(None))
    .order_by(ClearMarkRow.created_at)
)


def _list(*conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return (
        select(_CONVERSATIONS, _RUNNING)
        .where(_CONVERSATIONS.c.owner == bindparam("owner"), *conditions)
        .order_by(_CONVERSATIONS.c.updated_at.desc())
        .limit(bindparam("most"))
    )


_IS_KEPT, _IS_PINNED = (
    _CONVERSATIONS.c.deleted_at.is_(None),
    _CONVERSATIONS.c.pinned_at.is_not(None),
)
_LATEST = _list(_IS_KEPT, ~_IS_PINNED)
_PINNED = _list(_IS_KEPT, _IS_PINNED)
_DELETED = _list(~_IS_KEPT)


class ConversationStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, owner: str, conversation_id: str) -> Conversation:
        must_be_an_id(conversation_id)
        with reading(self._engine) as session:
            rows = session.execute(_ONE, {"owner": owner, "id": conversation_id}).all()
        if not rows:
            raise NotFound
        marks = tuple(row.cleared_id for row in rows if row.cleared_id)
        return as_conversation(rows[0], marks, is_running=rows[0].is_running)

    def latest(self, owner: str, limit: int = 50) -> list[Conversation]:
        """The owner's conversations, the latest first, without the pinned ones."""
        return self._listed(_LATEST, owner, limit)

    def pinned(self, owner: str, limit: int = 50) -> list[Conversation]:
        """The owner's pinned conversations, the latest first."""
        return self._listed(_PINNED, owner, limit)

    def deleted(self, owner: str, limit: int = 50) -> list[Conversation]:
        """What the owner has deleted and can still take back, the latest first."""
        return self._listed(_DELETED, owner, limit)

    def _listed(
        self, query: Select[*tuple[Any, ...]], owner: str, limit: int
    ) -> list[Conversation]:
        with reading(self._engine) as session:
            rows = session.execute(query, {"owner": owner, "most": limit}).all()
        return [as_conversation(row, is_running=row.is_running) for row in rows]

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
            running = exists().where(MessageRow.conversation_id == row.id, IS_RUNNING)
            if session.scalar(select(running)):
                raise ReplyRunning
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

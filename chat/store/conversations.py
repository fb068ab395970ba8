"""Conversations of an owner: list, read, settings, title, clear marks, deletion.

Every method takes the owner. A conversation of another owner raises `NotFound`, as a missing one.
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
from chat.store.attachments import content_hashes, delete_unused_contents
from chat.store.engine import read_transaction, scrub, write_transaction
from chat.store.row_values import as_conversation
from chat.store.schema import (
    AttachmentRow,
    ClearMarkRow,
    ConversationRow,
    MessageRow,
    ShareRow,
    now,
)

IS_RUNNING = MessageRow.status == literal_column(f"'{Status.STREAMING.value}'")
"""A literal: the partial index `messages_streaming` does not match a bound parameter."""

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


def require_valid_id(id: str) -> None:
    """Raise `NotFound` for a string that is no id. PostgreSQL rejects some, such as "\\0"."""
    if not id.isalnum():
        raise NotFound


def owned_conversation(
    session: Session,
    owner: str,
    conversation_id: str,
    *,
    lock: bool = False,
    with_deleted: bool = False,
) -> ConversationRow:
    """Return the owner's conversation; with `lock`, lock it until the transaction ends.

    Raises `NotFound`.
    """
    require_valid_id(conversation_id)
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
        require_valid_id(conversation_id)
        with read_transaction(self._engine) as session:
            rows = session.execute(_ONE, {"owner": owner, "id": conversation_id}).all()
        if not rows:
            raise NotFound
        marks = tuple(row.cleared_id for row in rows if row.cleared_id)
        return as_conversation(rows[0], marks, is_running=rows[0].is_running)

    def latest(self, owner: str, limit: int = 50) -> list[Conversation]:
        """Return the owner's unpinned conversations, the latest first."""
        return self._listed(_LATEST, owner, limit)

    def pinned(self, owner: str, limit: int = 50) -> list[Conversation]:
        """Return the owner's pinned conversations, the latest first."""
        return self._listed(_PINNED, owner, limit)

    def deleted(self, owner: str, limit: int = 50) -> list[Conversation]:
        """Return the owner's deleted conversations that can be restored, the latest first."""
        return self._listed(_DELETED, owner, limit)

    def _listed(
        self, query: Select[*tuple[Any, ...]], owner: str, limit: int
    ) -> list[Conversation]:
        with read_transaction(self._engine) as session:
            rows = session.execute(query, {"owner": owner, "most": limit}).all()
        return [as_conversation(row, is_running=row.is_running) for row in rows]

    def set_pinned(self, owner: str, conversation_id: str, *, is_pinned: bool) -> None:
        with write_transaction(self._engine) as session:
            row = owned_conversation(session, owner, conversation_id, lock=True)
            row.pinned_at = now() if is_pinned else None

    def change_settings(self, owner: str, conversation_id: str, settings: ReplySettings) -> None:
        with write_transaction(self._engine) as session:
            row = owned_conversation(session, owner, conversation_id, lock=True)
            for name, value in asdict(settings).items():
                setattr(row, name, value)

    def rename(self, owner: str, conversation_id: str, title: str) -> None:
        with write_transaction(self._engine) as session:
            owned_conversation(session, owner, conversation_id, lock=True).title = title

    def clear(self, owner: str, conversation_id: str) -> None:
        """Set a clear mark: later requests do not include messages up to the current leaf."""
        with write_transaction(self._engine) as session:
            row = owned_conversation(session, owner, conversation_id, lock=True)
            running = exists().where(MessageRow.conversation_id == row.id, IS_RUNNING)
            if session.scalar(select(running)):
                raise ReplyRunning
            if row.leaf_id:
                mark = ClearMarkRow(
                    conversation_id=row.id, message_id=row.leaf_id, created_at=now()
                )
                session.merge(mark)

    def unclear(self, owner: str, conversation_id: str, message_id: str) -> None:
        """Remove a clear mark."""
        with write_transaction(self._engine) as session:
            owned_conversation(session, owner, conversation_id, lock=True)
            session.execute(
                delete(ClearMarkRow).where(
                    ClearMarkRow.conversation_id == conversation_id,
                    ClearMarkRow.message_id == message_id,
                )
            )

    def set_deleted(self, owner: str, conversation_id: str, *, is_deleted: bool) -> list[str]:
        """Delete or restore a conversation and return the ids of its running replies."""
        with write_transaction(self._engine) as session:
            row = owned_conversation(session, owner, conversation_id, lock=True, with_deleted=True)
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
        """Delete a conversation and all its data permanently."""
        with write_transaction(self._engine) as session:
            owned_conversation(session, owner, conversation_id, lock=True, with_deleted=True)
            _purge(session, [conversation_id])
        scrub(self._engine)

    def purge_deleted(self, before: datetime) -> int:
        """Purge the conversations of all owners deleted before a time; return their number."""
        return self._purge_all(ConversationRow.deleted_at < before)

    def purge_idle(self, before: datetime) -> int:
        """Purge the conversations of all owners unchanged since a time; return their number."""
        return self._purge_all(ConversationRow.updated_at < before)

    def _purge_all(self, condition: ColumnElement[bool]) -> int:
        count = 0
        while True:
            with write_transaction(self._engine) as session:
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
    hashes = content_hashes(session, conversation_ids)
    ids = select(MessageRow.id).where(MessageRow.conversation_id.in_(conversation_ids))
    session.execute(delete(AttachmentRow).where(AttachmentRow.message_id.in_(ids)))
    # ON DELETE CASCADE follows parent_id row by row, and SQLite limits the depth to 1,000.
    is_inside = MessageRow.conversation_id.in_(conversation_ids)
    session.execute(update(MessageRow).where(is_inside).values(parent_id=None))
    for row in (ShareRow, ClearMarkRow, MessageRow):
        session.execute(delete(row).where(row.conversation_id.in_(conversation_ids)))
    session.execute(delete(ConversationRow).where(ConversationRow.id.in_(conversation_ids)))
    delete_unused_contents(session, hashes)

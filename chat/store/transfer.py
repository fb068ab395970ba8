"""Export and import: loads complete conversations, and merges them into stored ones.

`chat.formats` has parsed and sanitized the input. Each conversation is stored in one transaction
with ids that are unique in this database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Engine, exists, func, or_, select
from sqlalchemy.orm import Session

from chat.domain.message import Role, Status
from chat.domain.token_estimate import TokenCount
from chat.errors import ReplyRunning, StoreFailed
from chat.formats.conversation import PARLEY, ClearMark, Node, PortableConversation
from chat.formats.import_report import ImportOutcome, ItemReport
from chat.formats.merge import MergePlan, StoredMessage, plan_merge
from chat.store.attachments import load_conversation_attachments
from chat.store.conversations import owned_conversation
from chat.store.engine import read_transaction, write_transaction
from chat.store.import_rows import (
    add_clear_marks,
    add_files,
    add_imported_conversation,
    add_messages,
)
from chat.store.message_tree import is_on_path
from chat.store.row_values import as_conversation, as_message
from chat.store.schema import ClearMarkRow, ContentRow, ConversationRow, MessageRow


class PortableStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ids(self, owner: str) -> list[str]:
        """Return the ids of all the owner's conversations, the oldest first."""
        with read_transaction(self._engine) as session:
            return list(
                session.scalars(
                    select(ConversationRow.id)
                    .where(ConversationRow.owner == owner, ConversationRow.deleted_at.is_(None))
                    .order_by(ConversationRow.id)
                )
            )

    def load(self, owner: str, conversation_id: str) -> PortableConversation:
        """Return a complete conversation. Contents of its attachments are loaded lazily."""
        with read_transaction(self._engine) as session:
            row = owned_conversation(session, owner, conversation_id)
            rows = session.scalars(
                select(MessageRow)
                .where(MessageRow.conversation_id == conversation_id)
                .order_by(MessageRow.depth, MessageRow.id)
            ).all()
            files = load_conversation_attachments(session, conversation_id)
            marks = session.scalars(
                select(ClearMarkRow)
                .where(ClearMarkRow.conversation_id == conversation_id)
                .order_by(ClearMarkRow.created_at, ClearMarkRow.message_id)
            ).all()
            return PortableConversation(
                conversation=as_conversation(row, tuple(mark.message_id for mark in marks)),
                nodes=tuple(
                    Node(as_message(m, files.get(m.id, ())), m.origin, m.resume_leaf_id)
                    for m in rows
                ),
                marks=tuple(ClearMark(mark.message_id, mark.created_at) for mark in marks),
                origin=row.origin,
                pinned_at=row.pinned_at,
                content=self._content,
            )

    def _content(self, sha256: str) -> bytes | None:
        with read_transaction(self._engine) as session:
            return session.scalar(select(ContentRow.data).where(ContentRow.sha256 == sha256))

    def merge(
        self, owner: str, portable: PortableConversation, count: Callable[[str], TokenCount]
    ) -> ItemReport:
        """Add the missing parts of a conversation in one transaction.

        `count` counts the tokens of a text and is called outside of the transaction. Raises
        `StoreFailed`, and `ReplyRunning` if there are new messages and a reply is running in the
        stored conversation.
        """
        with read_transaction(self._engine) as session:
            stored = _stored_copy(session, owner, portable)
            planned = _planned(session, stored, portable)
            if stored is not None and stored.deleted_at is None and not planned.additions:
                return _report(stored, planned, portable, is_new=False, was_deleted=False)
        counts = {
            each.node.message.id: count(each.node.message.text)
            for each in planned.additions
            if not each.node.is_counted
        }
        try:
            return self._write(owner, portable, counts, keep_ids=True)
        except StoreFailed as error:
            if error.details != "IntegrityError":
                raise
        # A concurrent import has taken one of the ids.
        return self._write(owner, portable, counts, keep_ids=False)

    def _write(
        self,
        owner: str,
        portable: PortableConversation,
        counts: dict[str, TokenCount],
        *,
        keep_ids: bool,
    ) -> ItemReport:
        with write_transaction(self._engine) as session:
            if self._engine.dialect.name == "postgresql":  # serializes imports of the same file
                lock = func.hashtextextended(f"import {owner}", 0)
                session.execute(select(func.pg_advisory_xact_lock(lock)))
            row = _stored_copy(session, owner, portable, lock=True)
            planned = _planned(session, row, portable)
            is_new, was_deleted = row is None, row is not None and row.deleted_at is not None
            if row is None:
                row = add_imported_conversation(session, owner, portable, keep_ids=keep_ids)
            elif planned.additions and _is_running(session, row):
                raise ReplyRunning
            row.deleted_at = None
            ids = add_messages(session, row, planned, counts, keep_ids=keep_ids)
            notes = add_files(session, planned, portable, ids)
            add_clear_marks(session, row, planned, portable, ids)
            if planned.additions:
                row.updated_at = max(row.updated_at, portable.conversation.updated_at)
                leaf_id = portable.conversation.leaf_id
                wanted = ids[leaf_id] if leaf_id else None
                if is_new or _extends(session, row.leaf_id, wanted):
                    row.leaf_id = wanted
            session.flush()
            portable = replace(portable, notes=(*portable.notes, *notes))
            return _report(row, planned, portable, is_new=is_new, was_deleted=was_deleted)


def _stored_copy(
    session: Session, owner: str, portable: PortableConversation, *, lock: bool = False
) -> ConversationRow | None:
    """Return the owner's conversation that `portable` is a copy of, even if it is deleted."""
    ids = [
        name.removeprefix(f"{PARLEY}:") for name in portable.keys if name.startswith(f"{PARLEY}:")
    ]
    query = (
        select(ConversationRow)
        .where(
            ConversationRow.owner == owner,
            or_(ConversationRow.origin.in_(portable.keys), ConversationRow.id.in_(ids)),
        )
        .order_by(ConversationRow.deleted_at.is_not(None), ConversationRow.id)
        .limit(1)
    )
    return session.scalar(query.with_for_update() if lock else query)


def _planned(
    session: Session, row: ConversationRow | None, portable: PortableConversation
) -> MergePlan:
    if row is None:
        return plan_merge((), portable)
    stored = session.execute(
        select(
            MessageRow.id,
            MessageRow.depth,
            MessageRow.origin,
            MessageRow.role,
            MessageRow.text,
        )
        .where(MessageRow.conversation_id == row.id)
        .order_by(MessageRow.depth, MessageRow.id)
    )
    stored_messages = [
        StoredMessage(id_, depth, origin, Role(role), text)
        for id_, depth, origin, role, text in stored
    ]
    return plan_merge(stored_messages, portable)


def _is_running(session: Session, row: ConversationRow) -> bool:
    running = exists().where(
        MessageRow.conversation_id == row.id, MessageRow.status == Status.STREAMING.value
    )
    return bool(session.scalar(select(running)))


def _extends(session: Session, leaf_id: str | None, wanted: str | None) -> bool:
    """Return whether the path to `wanted` contains the current leaf."""
    leaf = session.get(MessageRow, leaf_id) if leaf_id else None
    return leaf is None or is_on_path(session, wanted, leaf)


def _report(
    row: ConversationRow,
    planned: MergePlan,
    portable: PortableConversation,
    *,
    is_new: bool,
    was_deleted: bool,
) -> ItemReport:
    count = len(planned.additions)
    messages = "1 message" if count == 1 else f"{count:,} messages"
    outcome, sentence = ImportOutcome.UNCHANGED, "All its messages are already here."
    if is_new:
        outcome, sentence = ImportOutcome.ADDED, f"{messages} added."
    elif count:
        outcome, sentence = (
            ImportOutcome.MERGED,
            f"{messages} added to the existing conversation.",
        )
    if was_deleted:
        outcome = ImportOutcome.MERGED
        sentence = f"The deleted conversation was restored. {sentence}"
    return ItemReport(row.title, outcome, sentence, row.id, portable.notes)

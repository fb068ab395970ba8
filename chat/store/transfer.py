"""Export and import: loads complete conversations, and merges them into stored ones.

`chat.formats` has parsed and sanitized the input. Conversations are stored with ids that are unique
in this database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Engine, exists, func, or_, select
from sqlalchemy.orm import Session

from chat.domain.attachment import Attachment
from chat.domain.message import Role, Status
from chat.domain.token_estimate import TokenCount
from chat.errors import ReplyRunning, StoreFailed
from chat.formats.conversation import PARLEY, ClearMark, Node, PortableConversation
from chat.formats.import_report import ItemReport
from chat.formats.importing.checks import ImportChecks, text_bytes
from chat.formats.merge import Addition, MergePlan, StoredMessage, plan_merge
from chat.store.attachments import (
    delete_unused_contents,
    load_conversation_attachments,
    store_content,
)
from chat.store.contents import StoredContents
from chat.store.conversations import owned_conversation
from chat.store.engine import (
    LARGE_WRITE,
    pause_between_writes,
    read_transaction,
    write_transaction,
)
from chat.store.import_progress import ImportProgress, complete, item_report
from chat.store.import_rows import (
    add_files,
    add_imported_conversation,
    add_messages,
    next_part,
    unbound,
)
from chat.store.row_values import as_conversation, as_message
from chat.store.schema import ClearMarkRow, ConversationRow, MessageRow, now


class PortableStore:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._contents = engine, StoredContents(engine)

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

    def have(self, owner: str, ids: Iterable[str]) -> bool:
        """Return whether the owner has all of these conversations, including deleted ones."""
        with read_transaction(self._engine) as session:
            query = select(ConversationRow.id).where(ConversationRow.owner == owner)
            return set(ids) <= set(session.scalars(query))

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
                content=self._contents.read,
                pieces=self._contents.pieces,
            )

    def merge(self, owner: str, portable: PortableConversation, checks: ImportChecks) -> ItemReport:
        """Add the missing parts of a conversation.

        Files and long conversations are stored in several short transactions. A new conversation
        is hidden until it is complete; if the process dies, a repeated import completes it.
        Raises `StoreFailed`, `StorageFull`, and `ReplyRunning` if there are new messages and a
        reply is running in the stored conversation.
        """
        with read_transaction(self._engine) as session:
            stored = _stored_copy(session, owner, portable)
            planned = _planned(session, stored, portable)
            if stored is not None and stored.deleted_at is None and not planned.additions:
                return item_report(stored, ImportProgress(), portable)
        counts: dict[str, TokenCount] = {}
        try:
            return self._add(owner, portable, planned, checks, counts, keep_ids=True)
        except StoreFailed as error:
            if error.details != "IntegrityError":
                raise
        # A concurrent import has taken one of the ids, or a purge has removed a file or a message.
        checks.stored.clear()
        planned = plan_merge((), portable)
        return self._add(owner, portable, planned, checks, counts, keep_ids=False)

    def _add(
        self,
        owner: str,
        portable: PortableConversation,
        planned: MergePlan,
        checks: ImportChecks,
        counts: dict[str, TokenCount],
        *,
        keep_ids: bool,
    ) -> ItemReport:
        progress, new, room = ImportProgress(), list[Attachment](), checks.room
        try:
            checks.reserve(sum(map(text_bytes, planned.additions)))
            self._prepare(planned.additions, portable, checks, counts, new)
            while (
                report := self._add_part(owner, portable, checks, counts, progress, keep_ids)
            ) is None:
                pause_between_writes()
        except BaseException:
            self._delete_unused(new)
            for file in new:
                checks.stored.pop(file, None)
            checks.room = room
            raise
        return report

    def _prepare(
        self,
        additions: Sequence[Addition],
        portable: PortableConversation,
        checks: ImportChecks,
        counts: dict[str, TokenCount],
        new: list[Attachment],
    ) -> None:
        """Count the tokens of messages, and check and store their files; append those to `new`."""
        for each in additions:
            message = each.node.message
            if message.id not in counts:
                counts[message.id] = checks.count(message.text)
            for file in map(unbound, message.attachments):
                if file not in checks.stored:
                    new.append(file)
                    checks.stored[file] = self._store_file(file, portable, checks)

    def _store_file(
        self, file: Attachment, portable: PortableConversation, checks: ImportChecks
    ) -> Attachment | None:
        """Store the contents of a file; return None if they are missing or invalid."""
        checked = checks.check(file, portable)
        if checked is None:
            return None
        checks.reserve(sum(map(len, checked.contents.values())))
        for data in checked.contents.values():
            with write_transaction(self._engine) as session:
                store_content(session, data)
            if len(data) > LARGE_WRITE:
                pause_between_writes()
        return checked.attachment

    def _delete_unused(self, files: Iterable[Attachment]) -> None:
        """Delete the contents of files that were stored for a conversation that was not added."""
        hashes = {each for file in files for each in _hashes(file)}
        with contextlib.suppress(StoreFailed), write_transaction(self._engine) as session:
            delete_unused_contents(session, hashes)

    def _add_part(
        self,
        owner: str,
        portable: PortableConversation,
        checks: ImportChecks,
        counts: dict[str, TokenCount],
        progress: ImportProgress,
        keep_ids: bool,
    ) -> ItemReport | None:
        """Add the next messages in one transaction; return a report after the last ones."""
        with write_transaction(self._engine) as session:
            if self._engine.dialect.name == "postgresql":  # serializes imports of the same file
                lock = func.hashtextextended(f"import {owner}", 0)
                session.execute(select(func.pg_advisory_xact_lock(lock)))
            row = _stored_copy(session, owner, portable, lock=True)
            planned = progress.rest(session, row) or _planned(session, row, portable)
            part = next_part(planned.additions)
            if any(each.node.message.id not in counts for each in part):
                raise StoreFailed(details="IntegrityError")  # purged since they were planned
            if row is None:
                row = add_imported_conversation(session, owner, portable, keep_ids=keep_ids)
                row.deleted_at = now()
                progress.is_new = True
            elif planned.additions and _is_running(session, row):
                raise ReplyRunning
            elif row.deleted_at is not None and not progress.is_new:
                progress.was_deleted = True
            planned = add_messages(session, row, planned, part, counts, keep_ids=keep_ids)
            add_files(session, part, checks.stored, planned.known)
            progress.add(session, row, [each.node for each in part], planned)
            if planned.additions:
                return None
            return complete(session, row, portable, progress, planned.known, checks)


def _hashes(file: Attachment) -> Iterator[str]:
    return (each for each in (file.sha256, file.text_sha256, file.preview_sha256) if each)


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

"""Attachments of messages, and their contents, stored once each by SHA-256.

Contents are deleted with the last attachment that refers to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, bindparam, delete, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat.domain.attachment import Attachment, NewAttachment
from chat.domain.ids import new_id
from chat.errors import NotFound
from chat.store.engine import read_transaction
from chat.store.row_values import as_attachment
from chat.store.schema import AttachmentRow, ContentRow, ConversationRow, MessageRow, PlainRow, now

_ATTACHMENTS = AttachmentRow.__table__
HAS_FILES = exists().where(_ATTACHMENTS.c.message_id == MessageRow.id).label("has_files")
_FILES = (
    select(_ATTACHMENTS)
    .where(_ATTACHMENTS.c.message_id.in_(bindparam("ids", expanding=True)))
    .order_by(_ATTACHMENTS.c.message_id, _ATTACHMENTS.c.place)
)
_FILES_IN = (
    select(_ATTACHMENTS)
    .join(MessageRow, MessageRow.id == _ATTACHMENTS.c.message_id)
    .where(MessageRow.conversation_id == bindparam("conversation_id"))
    .order_by(_ATTACHMENTS.c.place)
)
_OWN = (
    select(_ATTACHMENTS)
    .join(MessageRow, MessageRow.id == _ATTACHMENTS.c.message_id)
    .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    .where(
        _ATTACHMENTS.c.id == bindparam("id"),
        ConversationRow.owner == bindparam("owner"),
        ConversationRow.deleted_at.is_(None),
    )
)
_CONTENTS = select(ContentRow.sha256, ContentRow.data).where(
    ContentRow.sha256.in_(bindparam("hashes", expanding=True))
)


class AttachmentStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, owner: str, attachment_id: str) -> Attachment:
        with read_transaction(self._engine) as session:
            row = session.execute(_OWN, {"id": attachment_id, "owner": owner}).first()
            if row is None:
                raise NotFound
            return as_attachment(row)

    def contents(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Return contents by SHA-256. Callers take the hashes from messages of their owner."""
        wanted = list(set(hashes))
        if not wanted:
            return {}
        with read_transaction(self._engine) as session:
            rows = session.execute(_CONTENTS, {"hashes": wanted})
            return {row.sha256: row.data for row in rows}


def load_attachments(
    session: Session, message_ids: Sequence[str]
) -> dict[str, tuple[Attachment, ...]]:
    """Return the attachments of some messages by message id, in order."""
    return _by_message(session.execute(_FILES, {"ids": message_ids})) if message_ids else {}


def load_conversation_attachments(
    session: Session, conversation_id: str
) -> dict[str, tuple[Attachment, ...]]:
    """Return the attachments of a conversation by message id, in order."""
    return _by_message(session.execute(_FILES_IN, {"conversation_id": conversation_id}))


def _by_message(rows: Iterable[PlainRow]) -> dict[str, tuple[Attachment, ...]]:
    found: dict[str, tuple[Attachment, ...]] = {}
    for row in rows:
        found[row.message_id] = (*found.get(row.message_id, ()), as_attachment(row))
    return found


def add_attachments(
    session: Session,
    message_id: str,
    new: Sequence[NewAttachment],
    kept: Sequence[Attachment] = (),
) -> None:
    """Store the attachments of a message: `kept` ones of its earlier version, then `new` ones."""
    for place, old in enumerate(kept):
        session.add(_row(message_id, place, old, (old.sha256, old.text_sha256, old.preview_sha256)))
    contents = [(file.data, file.text.encode(), file.preview.encode()) for file in new]
    store_contents(session, [data for of_file in contents for data in of_file if data])
    for place, (file, of_file) in enumerate(zip(new, contents, strict=True), start=len(kept)):
        hashes = [_sha256(data) if data else None for data in of_file]
        session.add(_row(message_id, place, file, hashes))
    session.flush()


def _row(
    message_id: str, place: int, file: Attachment | NewAttachment, hashes: Sequence[str | None]
) -> AttachmentRow:
    sha256, text_sha256, preview_sha256 = hashes
    return AttachmentRow(
        id=new_id(),
        message_id=message_id,
        place=place,
        name=file.name,
        kind=file.kind.value,
        media_type=file.media_type,
        size=file.size,
        details=file.details,
        tokens=file.tokens,
        is_exact=file.is_exact,
        is_partial=file.is_partial,
        sha256=sha256,
        text_sha256=text_sha256,
        preview_sha256=preview_sha256,
    )


def store_contents(session: Session, contents: Iterable[bytes]) -> None:
    """Store several contents in hash order, so that concurrent writers cannot deadlock."""
    by_hash = {_sha256(data): data for data in contents}
    for sha256 in sorted(by_hash):
        store_content(session, by_hash[sha256])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def store_content(session: Session, data: bytes) -> str:
    """Store `data` unless it exists and return its hash.

    Locks the row until the end of the transaction, so that no cleanup deletes it before it is
    referred to.
    """
    sha256 = _sha256(data)
    existing = select(ContentRow.sha256).where(ContentRow.sha256 == sha256)
    if session.scalar(existing.with_for_update(read=True, key_share=True)) is None:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        insert = dialect.insert(ContentRow).values(sha256=sha256, data=data, created_at=now())
        session.execute(
            insert.on_conflict_do_update(
                index_elements=["sha256"], set_={"created_at": insert.excluded.created_at}
            )
        )
    return sha256


def content_hashes(session: Session, conversation_ids: Sequence[str]) -> set[str]:
    """Return the hashes of all contents attached in some conversations."""
    rows = session.execute(
        select(AttachmentRow.sha256, AttachmentRow.text_sha256, AttachmentRow.preview_sha256)
        .join(MessageRow, MessageRow.id == AttachmentRow.message_id)
        .where(MessageRow.conversation_id.in_(conversation_ids))
    )
    return {sha256 for row in rows for sha256 in row if sha256}


def delete_unused_contents(session: Session, hashes: Iterable[str]) -> None:
    """Delete those of the contents that no attachment refers to."""
    is_used = exists().where(
        or_(
            AttachmentRow.sha256 == ContentRow.sha256,
            AttachmentRow.text_sha256 == ContentRow.sha256,
            AttachmentRow.preview_sha256 == ContentRow.sha256,
        )
    )
    for sha256 in sorted(hashes):  # a fixed lock order prevents deadlocks
        row = select(ContentRow.sha256).where(ContentRow.sha256 == sha256).with_for_update()
        if session.scalar(row) is not None:
            session.execute(delete(ContentRow).where(ContentRow.sha256 == sha256, ~is_used))

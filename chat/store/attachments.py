"""Files of messages: their rows, and their contents, kept once each under their SHA-256.

Contents go when the last attachment that needs them does.
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
from chat.store.engine import reading
from chat.store.schema import (
    AttachmentRow,
    ContentRow,
    ConversationRow,
    MessageRow,
    PlainRow,
    as_attachment,
    now,
)

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
        with reading(self._engine) as session:
            row = session.execute(_OWN, {"id": attachment_id, "owner": owner}).first()
            if row is None:
                raise NotFound
            return as_attachment(row)

    def contents(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Contents by their SHA-256; whoever asks has found the hashes in an owner's message."""
        wanted = list(set(hashes))
        if not wanted:
            return {}
        with reading(self._engine) as session:
            rows = session.execute(_CONTENTS, {"hashes": wanted})
            return {row.sha256: row.data for row in rows}


def files_of(session: Session, message_ids: Sequence[str]) -> dict[str, tuple[Attachment, ...]]:
    """The files of some messages, by message, in their order."""
    return _by_message(session.execute(_FILES, {"ids": message_ids})) if message_ids else {}


def files_in(session: Session, conversation_id: str) -> dict[str, tuple[Attachment, ...]]:
    """The files of a whole conversation, by message."""
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
    """Store the files of a message: `kept` ones of an older version first, then `new` ones."""
    for place, old in enumerate(kept):
        session.add(_row(message_id, place, old, (old.sha256, old.text_sha256, old.preview_sha256)))
    pieces = [(file.data, file.text.encode(), file.preview.encode()) for file in new]
    keep_all(session, [piece for of_file in pieces for piece in of_file if piece])
    for place, (file, of_file) in enumerate(zip(new, pieces, strict=True), start=len(kept)):
        hashes = [_sha256(piece) if piece else None for piece in of_file]
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


def keep_all(session: Session, pieces: Iterable[bytes]) -> None:
    """Store contents, always in one order: two that store the same would wait for each other."""
    by_hash = {_sha256(piece): piece for piece in pieces}
    for sha256 in sorted(by_hash):
        keep(session, by_hash[sha256])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def keep(session: Session, data: bytes) -> str:
    """Store `data` unless it is there; its row is held, so that nobody removes it meanwhile."""
    sha256 = _sha256(data)
    held = select(ContentRow.sha256).where(ContentRow.sha256 == sha256)
    if session.scalar(held.with_for_update(read=True, key_share=True)) is None:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        insert = dialect.insert(ContentRow).values(sha256=sha256, data=data, created_at=now())
        session.execute(
            insert.on_conflict_do_update(
                index_elements=["sha256"], set_={"created_at": insert.excluded.created_at}
            )
        )
    return sha256


def hashes_of(session: Session, conversation_ids: Sequence[str]) -> set[str]:
    """The hashes of everything attached in these conversations."""
    rows = session.execute(
        select(AttachmentRow.sha256, AttachmentRow.text_sha256, AttachmentRow.preview_sha256)
        .join(MessageRow, MessageRow.id == AttachmentRow.message_id)
        .where(MessageRow.conversation_id.in_(conversation_ids))
    )
    return {sha256 for row in rows for sha256 in row if sha256}


def drop_unused(session: Session, hashes: Iterable[str]) -> None:
    """Remove those of the contents that no attachment needs any more."""
    needed = exists().where(
        or_(
            AttachmentRow.sha256 == ContentRow.sha256,
            AttachmentRow.text_sha256 == ContentRow.sha256,
            AttachmentRow.preview_sha256 == ContentRow.sha256,
        )
    )
    for sha256 in sorted(hashes):  # in one order, so that two sweeps cannot wait for each other
        held = select(ContentRow.sha256).where(ContentRow.sha256 == sha256).with_for_update()
        if session.scalar(held) is not None:
            session.execute(delete(ContentRow).where(ContentRow.sha256 == sha256, ~needed))

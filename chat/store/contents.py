"""Contents of attachments, read whole or in pieces, and the bytes that an owner has stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Engine, LargeBinary, cast, func, literal, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from chat.domain.sizes import human_size
from chat.errors import StorageFull
from chat.store.engine import read_transaction
from chat.store.schema import AttachmentRow, ContentRow, ConversationRow, MessageRow

PIECE_BYTES = 4 * 2**20


class StoredContents:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, sha256: str) -> bytes | None:
        with read_transaction(self._engine) as session:
            return session.scalar(select(ContentRow.data).where(ContentRow.sha256 == sha256))

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """Yield a content in pieces of `PIECE_BYTES`, each from a transaction of its own.

        Yields nothing if the content is missing.
        """
        offset = 0
        while True:
            with read_transaction(self._engine) as session:
                piece = _piece(session, sha256, offset)
            if piece:
                yield piece
            if len(piece) < PIECE_BYTES:
                return
            offset += len(piece)

    def stored_bytes(self, owner: str) -> int:
        """Return the size of an owner's texts and files, including deleted conversations."""
        with read_transaction(self._engine) as session:
            return _text_bytes(session, owner) + _file_bytes(session, owner)

    def require_room(self, owner: str, size: int, limit: int) -> None:
        """Raise `StorageFull` if `size` more bytes exceed what an owner may store."""
        if self.stored_bytes(owner) + size > limit:
            raise StorageFull(human_size(limit))


def _piece(session: Session, sha256: str, offset: int) -> bytes:
    if session.get_bind().dialect.name == "postgresql":
        piece = func.substring(ContentRow.data, offset + 1, PIECE_BYTES)
        return session.scalar(select(piece).where(ContentRow.sha256 == sha256)) or b""
    rowid = session.scalar(select(text("rowid")).where(ContentRow.sha256 == sha256))
    if rowid is None:
        return b""
    # SQLite's `substr` loads the whole value first.
    raw: Any = session.connection().connection.driver_connection
    with raw.blobopen(ContentRow.__tablename__, "data", rowid, readonly=True) as blob:
        blob.seek(min(offset, len(blob)))
        piece_bytes: bytes = blob.read(PIECE_BYTES)
        return piece_bytes


def _text_bytes(session: Session, owner: str) -> int:
    size = sum(
        (_size(session, each) for each in (MessageRow.text, MessageRow.reasoning)), literal(0)
    )
    query = select(func.sum(size)).join(
        ConversationRow, ConversationRow.id == MessageRow.conversation_id
    )
    return int(session.scalar(query.where(ConversationRow.owner == owner)) or 0)


def _file_bytes(session: Session, owner: str) -> int:
    """Return the size of the contents in an owner's conversations; each counts once."""
    columns = (AttachmentRow.sha256, AttachmentRow.text_sha256, AttachmentRow.preview_sha256)
    first, *others = (
        select(column)
        .join(MessageRow, MessageRow.id == AttachmentRow.message_id)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .where(ConversationRow.owner == owner, column.is_not(None))
        for column in columns
    )
    size = func.sum(_size(session, ContentRow.data))
    query = select(size).where(ContentRow.sha256.in_(first.union(*others)))
    return int(session.scalar(query) or 0)


def _size(session: Session, column: InstrumentedAttribute[Any]) -> ColumnElement[int]:
    """Return the size of a column in bytes. SQLite's `length` counts the characters of a text."""
    if session.get_bind().dialect.name == "postgresql":
        return func.octet_length(column)
    if isinstance(column.type, LargeBinary):  # a cast would read the content from the disk
        return func.length(column)
    return func.length(cast(column, LargeBinary))

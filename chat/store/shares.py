"""Shared snapshots of conversations, found by the hash of their link's secret."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, or_, select

from chat.domain.ids import new_id
from chat.domain.sharing import Share, Snapshot, parse_snapshot
from chat.errors import NotFound
from chat.store.conversations import owned_conversation
from chat.store.engine import read_transaction, write_transaction
from chat.store.schema import ConversationRow, ShareRow, now


class ShareStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self,
        owner: str,
        conversation_id: str,
        token: str,
        snapshot: dict[str, Any],
        expires_at: datetime | None,
    ) -> Share:
        with write_transaction(self._engine) as session:
            # The lock keeps `transfer_visitor_data` from missing the new row.
            conversation = owned_conversation(session, owner, conversation_id, lock=True)
            row = ShareRow(
                id=new_id(),
                token_hash=_hash(token),
                owner=owner,
                conversation_id=conversation_id,
                title=conversation.title,
                snapshot=json.dumps(snapshot, ensure_ascii=False),
                created_at=now(),
                expires_at=expires_at,
            )
            session.add(row)
            return row.to_domain()

    def of(self, owner: str, conversation_id: str) -> list[Share]:
        """Return the valid links of a conversation, the latest first."""
        with read_transaction(self._engine) as session:
            owned_conversation(session, owner, conversation_id)
            rows = session.scalars(
                select(ShareRow)
                .where(ShareRow.conversation_id == conversation_id, _is_valid())
                .order_by(ShareRow.id.desc())
            )
            return [row.to_domain() for row in rows]

    def revoke(self, owner: str, share_id: str) -> None:
        with write_transaction(self._engine) as session:
            deleted = session.execute(
                delete(ShareRow)
                .where(ShareRow.id == share_id, ShareRow.owner == owner)
                .returning(ShareRow.id)
            ).first()
            if deleted is None:
                raise NotFound

    def open(self, token: str) -> Snapshot:
        """Return the snapshot behind a link.

        Raises `NotFound` if the link was revoked, has expired, or its conversation was deleted.
        """
        with read_transaction(self._engine) as session:
            row = session.scalar(
                select(ShareRow)
                .join(ConversationRow, ConversationRow.id == ShareRow.conversation_id)
                .where(
                    ShareRow.token_hash == _hash(token),
                    ConversationRow.deleted_at.is_(None),
                    _is_valid(),
                )
            )
            if row is None:
                raise NotFound
            return parse_snapshot(row.title, row.created_at, json.loads(row.snapshot))


def _is_valid() -> Any:
    return or_(ShareRow.expires_at.is_(None), ShareRow.expires_at > now())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()

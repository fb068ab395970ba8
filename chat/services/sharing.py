"""Sharing: read-only snapshots behind secret links."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from chat.domain.sharing import Share, Snapshot, build_snapshot
from chat.services.scope import Scope


class SharingService:
    def __init__(self, scope: Scope) -> None:
        self._scope, self._owner, self._store = scope, scope.owner, scope.space.store

    def create(
        self, conversation_id: str, expires_in: timedelta | None = None
    ) -> tuple[Share, str]:
        """Store a snapshot of the current path; return it with the secret of its link.

        The secret is returned only here: the database keeps its hash.
        """
        conversation = self._store.conversations.get(self._owner, conversation_id)
        path = list(self._store.messages.walk(self._owner, conversation_id, conversation.leaf_id))
        secret = secrets.token_urlsafe(24)
        expires_at = datetime.now(UTC) + expires_in if expires_in is not None else None
        share = self._store.shares.add(
            self._owner, conversation_id, secret, build_snapshot(reversed(path)), expires_at
        )
        return share, secret

    def links(self, conversation_id: str) -> list[Share]:
        """Return the active links of a conversation."""
        return self._store.shares.of(self._owner, conversation_id)

    def revoke(self, share_id: str) -> None:
        """Disable a link."""
        self._store.shares.revoke(self._owner, share_id)

    def open(self, secret: str) -> Snapshot:
        """Return the snapshot behind a link, for any user. Raises `NotFound`."""
        return self._store.shares.open(secret)

    def continue_(self, secret: str) -> str:
        """Copy a shared conversation to the owner; return the id of the copy."""
        snapshot, count = self.open(secret), self._scope.runtime.tokenizer.count
        messages = [
            (each.role, each.text, each.model or None, each.is_cut, count(each.text))
            for each in snapshot.messages
        ]
        return self._store.messages.copy(self._owner, snapshot.title, messages)

"""What a person does with conversations as a whole: list, find, name, pin, share, delete.

Every method takes the owner first; what belongs to somebody else answers `NotFound`.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime, timedelta

from chat.config.settings import Settings
from chat.domain.conversation import Conversation
from chat.domain.search_query import parse_query
from chat.domain.sharing import Share, Snapshot, build_snapshot
from chat.domain.title import title_from
from chat.replies.dispatcher import Dispatch
from chat.store import Hit, Store

STOPS_WITHIN = 2.0  # seconds; a process that writes a reply looks about once a second


class Library:
    def __init__(self, settings: Settings, store: Store, dispatch: Dispatch) -> None:
        self.settings = settings
        self._store, self._dispatch, self._replies = store, dispatch, dispatch.replies

    # --- looking -----------------------------------------------------------------------------

    def conversation(self, owner: str, conversation_id: str) -> Conversation:
        """One of the owner's conversations, without its messages."""
        return self._store.conversations.get(owner, conversation_id)

    def conversations(self, owner: str, limit: int = 50) -> list[Conversation]:
        """The owner's conversations without the pinned ones, the latest first."""
        return self._store.conversations.latest(owner, limit)

    def pinned(self, owner: str) -> list[Conversation]:
        """The owner's pinned conversations, the latest first."""
        return self._store.conversations.pinned(owner)

    def deleted(self, owner: str, limit: int = 50) -> list[Conversation]:
        """What can still be taken back with `undelete`, the latest first."""
        return self._store.conversations.deleted(owner, limit)

    def search(self, owner: str, typed: str, limit: int = 20, offset: int = 0) -> list[Hit]:
        """Messages and titles that hold every word, the best first; the last word may be begun.

        Knows "phrases", `model:`, `before:`, `after:`, `is:pinned` and `has:file`.
        """
        query = parse_query(typed)
        return [] if query.is_empty else self._store.search.search(owner, query, limit, offset)

    # --- names, pins, deletion ----------------------------------------------------------------

    def rename(self, owner: str, conversation_id: str, title: str) -> None:
        self._store.conversations.rename(owner, conversation_id, title_from(title))

    def pin(self, owner: str, conversation_id: str, *, is_pinned: bool = True) -> None:
        """Keep a conversation at the top of the list, or let it go."""
        self._store.conversations.set_pinned(owner, conversation_id, is_pinned=is_pinned)

    def delete(self, owner: str, conversation_id: str) -> None:
        """Delete a conversation and stop a reply that runs in it; `undelete` undoes it."""
        running = self._store.conversations.set_deleted(owner, conversation_id, is_deleted=True)
        for answer_id in running:
            self._stop(answer_id)

    def undelete(self, owner: str, conversation_id: str) -> None:
        self._store.conversations.set_deleted(owner, conversation_id, is_deleted=False)

    def purge_expired(self) -> int:
        """Remove for good what was deleted more than `retention_days` ago; how many."""
        before = datetime.now(UTC) - timedelta(days=self.settings.retention_days)
        return self._store.conversations.purge_deleted(before)

    def purge(self, owner: str, conversation_id: str) -> None:
        """Remove a conversation for good, deleted or not: its messages, its files, everything."""
        running = self._store.conversations.set_deleted(owner, conversation_id, is_deleted=True)
        for answer_id in running:
            self._stop(answer_id)
        self._store.conversations.purge(owner, conversation_id)

    def _stop(self, answer_id: str) -> None:
        """End a reply, whichever process writes it; waits a little for its end to be stored."""
        if self._replies.stop(answer_id):
            return
        self._store.replies.ask_to_stop(answer_id)
        pause, end = threading.Event(), time.monotonic() + STOPS_WITHIN
        while self._store.replies.is_running(answer_id) and time.monotonic() < end:
            pause.wait(0.1)

    def purge_idle(self, longer_than: timedelta) -> int:
        """Remove all conversations in which nothing happened for that long; how many."""
        return self._store.conversations.purge_idle(datetime.now(UTC) - longer_than)

    # --- sharing -----------------------------------------------------------------------------

    def share(
        self, owner: str, conversation_id: str, expires_in: timedelta | None = None
    ) -> tuple[Share, str]:
        """A read-only snapshot of what is in view, and the secret part of its link.

        The secret is told this once; only its hash is kept.
        """
        conversation = self._store.conversations.get(owner, conversation_id)
        path = list(self._store.messages.walk(owner, conversation_id, conversation.leaf_id))
        secret = secrets.token_urlsafe(24)
        expires_at = datetime.now(UTC) + expires_in if expires_in is not None else None
        share = self._store.shares.add(
            owner, conversation_id, secret, build_snapshot(reversed(path)), expires_at
        )
        return share, secret

    def shares(self, owner: str, conversation_id: str) -> list[Share]:
        """The links of a conversation that still work."""
        return self._store.shares.of(owner, conversation_id)

    def revoke(self, owner: str, share_id: str) -> None:
        """Let a link show nothing any more."""
        self._store.shares.revoke(owner, share_id)

    def shared(self, secret: str) -> Snapshot:
        """What a link shows, to whoever has it. Raises `NotFound`."""
        return self._store.shares.open(secret)

    def continue_shared(self, owner: str, secret: str) -> str:
        """A copy of a shared conversation as one's own; returns its id."""
        snapshot = self.shared(secret)
        said = [
            (each.role, each.text, each.model or None, each.is_cut, self._dispatch.count(each.text))
            for each in snapshot.messages
        ]
        return self._store.messages.copy(owner, snapshot.title, said)

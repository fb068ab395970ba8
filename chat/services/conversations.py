"""Conversations: open, list, search, rename, pin, delete, settings and context marks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.search_query import parse_query
from chat.domain.title import title_from
from chat.services.conversation_view import ConversationView, load_view
from chat.services.scope import Scope
from chat.store import Hit


class ConversationService:
    """The conversations of one owner. Raises `NotFound` for those of other owners."""

    def __init__(self, scope: Scope) -> None:
        self._scope, self._owner = scope, scope.owner
        self._store, self._dispatcher = scope.space.store, scope.space.dispatcher

    def open(self, conversation_id: str, window: int = 40) -> ConversationView:
        """Return a conversation with the newest `window` messages of its current path.

        Up to 7 more are included, so that the first message does not change with every new one.
        """
        # Running replies are read first: if one ends while the rest is read, the page still
        # follows it and draws again.
        running = self._store.messages.running(self._owner, conversation_id)
        if running and self._scope.runtime.recovery.interrupt_abandoned():
            running = self._store.messages.running(self._owner, conversation_id)
        conversation = self.get(conversation_id)
        return load_view(self._store, self._scope.space.requests, conversation, running, window)

    def get(self, conversation_id: str) -> Conversation:
        """Return a conversation without its messages."""
        return self._store.conversations.get(self._owner, conversation_id)

    def latest(self, limit: int = 50) -> list[Conversation]:
        """Return the conversations that are not pinned, newest first."""
        return self._store.conversations.latest(self._owner, limit)

    def pinned(self) -> list[Conversation]:
        """Return the pinned conversations, newest first."""
        return self._store.conversations.pinned(self._owner)

    def deleted(self, limit: int = 50) -> list[Conversation]:
        """Return the conversations that `undelete` can restore, newest first."""
        return self._store.conversations.deleted(self._owner, limit)

    def search(self, text: str, limit: int = 20, offset: int = 0) -> list[Hit]:
        """Return the messages and titles that contain every word, best match first.

        The last word may be a prefix. Supports "phrases", `model:`, `before:`, `after:`,
        `is:pinned` and `has:file`.
        """
        query = parse_query(text)
        if query.is_empty:
            return []
        return self._store.search.search(self._owner, query, limit, offset)

    def rename(self, conversation_id: str, title: str) -> None:
        self._store.conversations.rename(self._owner, conversation_id, title_from(title))

    def pin(self, conversation_id: str, *, is_pinned: bool = True) -> None:
        """Pin a conversation to the top of the list, or unpin it."""
        self._store.conversations.set_pinned(self._owner, conversation_id, is_pinned=is_pinned)

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation and stop its running reply; `undelete` restores it."""
        running = self._store.conversations.set_deleted(
            self._owner, conversation_id, is_deleted=True
        )
        for answer_id in running:
            self._dispatcher.stop(answer_id)

    def undelete(self, conversation_id: str) -> None:
        """Restore a deleted conversation."""
        self._store.conversations.set_deleted(self._owner, conversation_id, is_deleted=False)

    def purge(self, conversation_id: str) -> None:
        """Delete a conversation, its messages and its files permanently."""
        self.delete(conversation_id)
        self._store.conversations.purge(self._owner, conversation_id)

    def clear(self, conversation_id: str) -> None:
        """Start a new context; earlier messages stay readable and are no longer sent."""
        self._store.conversations.clear(self._owner, conversation_id)

    def unclear(self, conversation_id: str, message_id: str) -> None:
        """Remove the clear mark below a message."""
        self._store.conversations.unclear(self._owner, conversation_id, message_id)

    def settings(self, conversation_id: str) -> ReplySettings:
        """Return the settings of the next reply."""
        return self.get(conversation_id).settings

    def change_settings(self, conversation_id: str, **changes: Any) -> None:
        """Change fields of the conversation's `ReplySettings`."""
        changed = replace(self.settings(conversation_id), **changes)
        if "model" in changes:
            changed = self._scope.runtime.selection.resolve_settings(changed)
        self._store.conversations.change_settings(self._owner, conversation_id, changed)

"""Attachments: token costs before sending, stored contents, table previews."""

from __future__ import annotations

from collections.abc import Sequence

from chat.attachments.reader_slots import OnWait
from chat.domain.attachment import File, FileCost
from chat.domain.conversation import ReplySettings
from chat.errors import NotFound
from chat.services.scope import Scope


class AttachmentService:
    def __init__(self, scope: Scope) -> None:
        self._scope, self._owner, self._store = scope, scope.owner, scope.space.store

    def price(
        self,
        conversation_id: str | None,
        files: Sequence[File],
        settings: ReplySettings | None = None,
        on_wait: OnWait = lambda: None,
    ) -> tuple[FileCost, ...]:
        """Return the token cost of each file in the next message of a conversation.

        Without a conversation, in the first message of a new one with `settings`. While the files
        of others are read first, `on_wait` is called; it may raise an exception to stop waiting.
        """
        self._scope.require_owner()
        chosen = settings or ReplySettings()
        if conversation_id is not None:
            chosen = self._store.conversations.get(self._owner, conversation_id).settings
        return self._scope.space.requests.price(self._owner, files, chosen, on_wait)

    def content(self, attachment_id: str) -> bytes:
        """Return a stored file. Images were stored without their metadata."""
        attachment = self._store.attachments.get(self._owner, attachment_id)
        return self._content(attachment.sha256)

    def preview(self, attachment_id: str) -> str:
        """Return the first rows of a table as JSON, or an empty string.

        The JSON is `{"sheets": [{"name", "columns", "rows"}]}`.
        """
        preview = self._store.attachments.get(self._owner, attachment_id).preview_sha256
        return self._content(preview).decode() if preview else ""

    def _content(self, sha256: str) -> bytes:
        try:
            return self._store.attachments.contents([sha256])[sha256]
        except KeyError:
            raise NotFound from None

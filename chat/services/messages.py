"""Messages: send, edit, retry, continue, stop, follow, versions, deletion."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from chat.domain.attachment import Attachment
from chat.domain.conversation import ReplySettings, new_conversation
from chat.domain.ids import storable
from chat.domain.message import Message, Submission
from chat.domain.title import title_from
from chat.domain.writes import NewQuestion
from chat.errors import NothingToAnswer, ReplyRunning
from chat.providers.user_keys import OwnKey
from chat.replies.buffer import ReplyChunk, follow_stored
from chat.services.scope import Scope

_LONGEST_OUTAGE = timedelta(days=1)
_SENDING = timedelta(seconds=2)  # the browser's measure of time is not exact
_TRUNCATED = 1000  # characters; a message is shortened only if it has more


class MessageService:
    """The messages of one owner. `own` is a user-supplied API key for models that take one."""

    def __init__(self, scope: Scope) -> None:
        self._scope, self._owner = scope, scope.owner
        self._store, self._dispatcher = scope.space.store, scope.space.dispatcher
        self._requests, self._selection = scope.space.requests, scope.runtime.selection

    def send(
        self,
        conversation_id: str | None,
        submission: Submission,
        settings: ReplySettings | None = None,
        *,
        own: OwnKey | None = None,
    ) -> Message:
        """Store the question and an empty answer, start the reply, and return the answer.

        Without a conversation a new one is created with `settings`.
        """
        self._scope.require_owner()
        conversation = leaf_id = None
        if conversation_id is None:
            chosen = self._selection.resolve_settings(settings or ReplySettings())
        else:
            conversation = self._store.conversations.get(self._owner, conversation_id)
            chosen, leaf_id = conversation.settings, conversation.leaf_id
        question = self._question(submission, chosen)
        with self._dispatcher.reserved(
            self._owner, chosen, conversation, leaf_id, question, own=own
        ) as (reply, new):
            title = title_from(question.text or question.new_files[0].name)
            answer = self._store.messages.send(
                self._owner, conversation_id, question, new, title=title, settings=chosen
            )
        if conversation is None:
            conversation = new_conversation(self._owner, title, chosen, answer)
        return self._dispatcher.begin(conversation, answer, reply, own)

    def edit(
        self,
        message_id: str,
        submission: Submission | str,
        keep: Container[str] | None = None,
        *,
        own: OwnKey | None = None,
    ) -> Message:
        """Ask a question in other words, as a new version beside the old one; return the answer.

        Keeps the attachments with an id in `keep`, by default all.
        """
        if isinstance(submission, str):
            submission = Submission(submission)
        old = self._store.messages.get(self._owner, message_id)
        kept = [file for file in old.attachments if keep is None or file.id in keep]
        conversation = self._store.conversations.get(self._owner, old.conversation_id)
        settings = conversation.settings
        question = self._question(submission, settings, kept)
        with self._dispatcher.reserved(
            self._owner, settings, conversation, old.parent_id, question, own=own
        ) as (reply, new):
            answer = self._store.messages.edit(self._owner, message_id, question, new)
        return self._dispatcher.begin(conversation, answer, reply, own)

    def retry(self, message_id: str, *, own: OwnKey | None = None) -> Message:
        """Request an answer again, as a new version beside the old one."""
        old = self._store.messages.get(self._owner, message_id)
        conversation = self._store.conversations.get(self._owner, old.conversation_id)
        settings = conversation.settings
        self._selection.require_vision(self._question_of(old).attachments, settings)
        with self._dispatcher.reserved(
            self._owner, settings, conversation, old.parent_id, own=own
        ) as (reply, new):
            answer = self._store.messages.retry(self._owner, message_id, new)
        return self._dispatcher.begin(conversation, answer, reply, own)

    def continue_(self, message_id: str, *, own: OwnKey | None = None) -> Message:
        """Continue an answer that was cut short; it grows in place."""
        old = self._store.messages.get(self._owner, message_id)
        if old.is_live:
            raise ReplyRunning
        conversation = self._store.conversations.get(self._owner, old.conversation_id)
        settings = conversation.settings
        if not old.is_cut:
            raise NothingToAnswer("This reply is complete: there is nothing to continue.")
        self._selection.require_vision(self._question_of(old).attachments, settings)
        with self._dispatcher.reserved(
            self._owner, settings, conversation, old.parent_id, continued=old, own=own
        ) as (reply, new):
            answer = self._store.replies.reopen(self._owner, new)
            reply.resume(answer)
        return self._dispatcher.begin(conversation, answer, reply, own)

    def stop(self, conversation_id: str) -> None:
        """Stop the running reply of a conversation and keep its text."""
        for answer_id in self._store.messages.running(self._owner, conversation_id):
            self._dispatcher.stop(answer_id)

    def follow(self, answer_id: str) -> Iterator[ReplyChunk]:
        """Yield all of a reply so far, then new chunks until its end is stored.

        Yields empty chunks while nothing arrives. Ends early when text was reclassified as
        reasoning: follow again to get all of it.
        """
        answer = self._store.messages.get(self._owner, answer_id)
        reply = self._scope.runtime.runner.get(answer_id)
        if reply is not None:
            yield from reply.buffer.follow()
        else:
            yield from follow_stored(
                answer, lambda: self._store.messages.get(self._owner, answer_id)
            )

    def conversation_of_sent(self, text: str, age: timedelta) -> str | None:
        """Return the conversation in which a question was stored; None if it was not stored.

        `age` is the time since it was sent. Equal questions of earlier times are not meant.
        """
        since = datetime.now(UTC) - min(age, _LONGEST_OUTAGE) - _SENDING
        sent = storable(text).strip()
        for conversation_id, stored in self._store.messages.questions_since(self._owner, since):
            is_truncated = len(stored) > _TRUNCATED and sent.startswith(stored)
            if stored == sent or is_truncated:
                return conversation_id
        return None

    def show_version(self, message_id: str) -> None:
        """Show this version and the messages that follow it."""
        self._store.messages.show_version(self._owner, message_id)

    def show(self, message_id: str) -> int:
        """Show the path to a message; return its position from the end, 1 for the last."""
        return self._store.messages.show(self._owner, message_id)

    def delete(self, message_id: str) -> None:
        """Hide one message; its other versions and the messages below it stay."""
        self._store.messages.set_deleted(self._owner, message_id, is_deleted=True)

    def undelete(self, message_id: str) -> None:
        """Show a deleted message again."""
        self._store.messages.set_deleted(self._owner, message_id, is_deleted=False)

    def _question(
        self, submission: Submission, settings: ReplySettings, kept: Sequence[Attachment] = ()
    ) -> NewQuestion:
        """Return the submission read and counted. Raises `Refused` if it cannot be stored."""
        question = self._requests.question(self._owner, submission, settings, kept)
        if question.new_files:
            size = sum(len(f.data) + len(f.text) + len(f.preview) for f in question.new_files)
            limit = int(self._scope.runtime.settings.max_stored_mb * 1_000_000)
            self._store.contents.require_room(self._owner, size, limit)
        return question

    def _question_of(self, answer: Message) -> Message:
        if answer.parent_id is not None:
            question = self._store.messages.get(self._owner, answer.parent_id)
            if not question.is_deleted:
                return question
        raise NothingToAnswer

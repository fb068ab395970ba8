"""Messages of a conversation: reads, new messages and versions, and the version in view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chat.domain.context_window import PathStep, SentMessage
from chat.domain.conversation import ReplySettings
from chat.domain.message import Message, Role, Versions
from chat.domain.writes import NewAnswer, NewQuestion
from chat.errors import NotFound
from chat.store.conversations import owned_conversation
from chat.store.engine import read_transaction, write_transaction
from chat.store.ledger import LedgerStore
from chat.store.message_paths import cleared_depth, read_path, read_sent_messages, read_steps
from chat.store.message_queries import latest_failed_retry, read_versions, running_replies
from chat.store.message_rows import (
    CopiedMessage,
    add_answer,
    add_conversation,
    add_copies,
    add_question,
)
from chat.store.message_tree import (
    has_children,
    is_on_path,
    leaf_below,
    live_sibling,
    lock_idle_conversation,
    owned_message,
    read_message,
    remember_branch,
    remember_replaced_branch,
)
from chat.store.row_values import as_message
from chat.store.schema import ConversationRow, MessageRow, now

STEP_BATCH = 350  # steps per query; most context windows fit into one batch


class MessageStore:
    def __init__(self, engine: Engine, ledger: LedgerStore) -> None:
        self._engine, self._ledger = engine, ledger

    # --- reads -------------------------------------------------------------------------------

    def get(self, owner: str, message_id: str) -> Message:
        with read_transaction(self._engine) as session:
            return read_message(session, owner, message_id)

    def questions_since(self, owner: str, since: datetime) -> list[tuple[str, str]]:
        """Return the conversation and the text of each question since a time, newest first."""
        query = (
            select(MessageRow.conversation_id, MessageRow.text)
            .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
            .where(
                ConversationRow.owner == owner,
                ConversationRow.updated_at >= since,
                MessageRow.role == Role.USER.value,
                MessageRow.created_at >= since,
            )
            .order_by(MessageRow.id.desc())
        )
        with read_transaction(self._engine) as session:
            return [(conversation, text) for conversation, text in session.execute(query)]

    def path(
        self, owner: str, conversation_id: str, leaf_id: str | None, limit: int
    ) -> list[Message]:
        """Return up to `limit` messages from `leaf_id` upwards, including deleted ones."""
        if leaf_id is None:
            return []
        with read_transaction(self._engine) as session:
            return read_path(session, owner, conversation_id, leaf_id, limit)

    def walk(self, owner: str, conversation_id: str, leaf_id: str | None) -> Iterator[Message]:
        """Iterate over the path from `leaf_id` upwards, reading it lazily in growing batches."""
        batch = 64
        while leaf_id is not None:
            messages = self.path(owner, conversation_id, leaf_id, batch)
            yield from messages
            leaf_id = messages[-1].parent_id if messages else None
            batch *= 2

    def steps(self, owner: str, conversation_id: str, leaf_id: str | None) -> Iterator[PathStep]:
        """Iterate over the path from `leaf_id` upwards without reading the texts."""
        while leaf_id is not None:
            with read_transaction(self._engine) as session:
                steps = read_steps(session, owner, conversation_id, leaf_id, STEP_BATCH)
            yield from steps
            leaf_id = steps[-1].parent_id if steps else None

    def context_start_depth(
        self, owner: str, conversation_id: str, leaf_id: str | None, cleared_ids: Sequence[str]
    ) -> int:
        """Return the depth of the first message below the newest clear mark on a path, or 0."""
        if leaf_id is None or not cleared_ids:
            return 0
        with read_transaction(self._engine) as session:
            depth = cleared_depth(session, owner, conversation_id, leaf_id, cleared_ids)
        return 0 if depth is None else depth + 1

    def sent_messages(
        self, owner: str, conversation_id: str, first_id: str, last_id: str
    ) -> list[SentMessage]:
        """Return the texts and files between two messages of a path, inclusive, oldest first."""
        with read_transaction(self._engine) as session:
            return read_sent_messages(session, owner, conversation_id, first_id, last_id)

    def versions(self, shown: Sequence[Message]) -> dict[str, Versions]:
        """Return the versions of each message of a path, by message id."""
        with read_transaction(self._engine) as session:
            return read_versions(session, shown)

    def running(self, owner: str, conversation_id: str) -> list[str]:
        """Return the ids of the running replies on all branches of a conversation."""
        with read_transaction(self._engine) as session:
            return running_replies(session, owner, conversation_id)

    def failed_retry(self, leaf_id: str) -> Message | None:
        """Return the failed retry that restored `leaf_id`; None if a later version exists."""
        with read_transaction(self._engine) as session:
            return latest_failed_retry(session, leaf_id)

    # --- new messages ------------------------------------------------------------------------

    def send(
        self,
        owner: str,
        conversation_id: str | None,
        question: NewQuestion,
        answer: NewAnswer,
        *,
        title: str = "",
        settings: ReplySettings | None = None,
    ) -> Message:
        """Add a question and its empty answer below the leaf; return the answer.

        Starts a new conversation with `title` and `settings` if `conversation_id` is None. Raises
        `ReplyRunning`, and `LimitReached` if the call exceeds a limit.
        """
        with write_transaction(self._engine) as session:
            if conversation_id is None:
                chosen = settings or ReplySettings()
                conversation = add_conversation(session, owner, title, chosen)
            else:
                conversation = lock_idle_conversation(session, owner, conversation_id)
            asked = add_question(session, conversation, conversation.leaf_id, question)
            return as_message(self._add_answer(session, conversation, asked, answer))

    def edit(
        self, owner: str, message_id: str, question: NewQuestion, answer: NewAnswer
    ) -> Message:
        """Add a new version of a question with an empty answer below it; return the answer."""
        with write_transaction(self._engine) as session:
            old = owned_message(session, owner, message_id)
            if old.role != Role.USER.value:
                raise NotFound
            conversation = lock_idle_conversation(session, owner, old.conversation_id)
            remember_replaced_branch(session, conversation, old)
            asked = add_question(session, conversation, old.parent_id, question)
            return as_message(self._add_answer(session, conversation, asked, answer))

    def retry(self, owner: str, message_id: str, answer: NewAnswer) -> Message:
        """Add an empty version of an answer, which remembers the leaf that it replaces."""
        with write_transaction(self._engine) as session:
            old = owned_message(session, owner, message_id)
            if old.role != Role.ASSISTANT.value or old.parent_id is None:
                raise NotFound
            conversation = lock_idle_conversation(session, owner, old.conversation_id)
            replaced_leaf_id = conversation.leaf_id
            remember_replaced_branch(session, conversation, old)
            parent = session.get_one(MessageRow, old.parent_id)
            row = self._add_answer(session, conversation, parent, answer)
            is_worth_restoring = old.text or replaced_leaf_id != old.id
            row.replaces_id = replaced_leaf_id if is_worth_restoring else None
            return as_message(row)

    def copy(self, owner: str, title: str, messages: Sequence[CopiedMessage]) -> str:
        """Create a conversation from messages, oldest first, and return its id."""
        with write_transaction(self._engine) as session:
            conversation = add_conversation(session, owner, title, ReplySettings())
            add_copies(session, conversation, messages)
            return conversation.id

    def _add_answer(
        self,
        session: Session,
        conversation: ConversationRow,
        question: MessageRow,
        answer: NewAnswer,
    ) -> MessageRow:
        row = add_answer(session, conversation, question, answer)
        if answer.call is not None:
            self._ledger.record(session, answer.call)
        return row

    # --- versions ----------------------------------------------------------------------------

    def show_version(self, owner: str, message_id: str) -> None:
        """Show a version together with the messages that followed it when it was last shown."""
        with write_transaction(self._engine) as session:
            wanted = owned_message(session, owner, message_id)
            conversation = owned_conversation(session, owner, wanted.conversation_id, lock=True)
            remember_branch(session, conversation, wanted)
            conversation.leaf_id = leaf_below(session, wanted)

    def show(self, owner: str, message_id: str) -> int:
        """Show the branch that contains a message, unless it is shown already.

        Returns the position of the message from the end of the path, 1 for the last message.
        """
        with write_transaction(self._engine) as session:
            wanted = owned_message(session, owner, message_id)
            conversation = owned_conversation(session, owner, wanted.conversation_id, lock=True)
            if not is_on_path(session, conversation.leaf_id, wanted):
                remember_branch(session, conversation, wanted)
                conversation.leaf_id = leaf_below(session, wanted)
            leaf = session.get_one(MessageRow, conversation.leaf_id)
            return leaf.depth - wanted.depth + 1

    def set_deleted(self, owner: str, message_id: str, *, is_deleted: bool) -> None:
        """Delete or restore one message. Its children and other versions are kept.

        Deleting a version without children shows a sibling; restoring a message shows it.
        """
        with write_transaction(self._engine) as session:
            row = owned_message(session, owner, message_id)
            conversation = lock_idle_conversation(session, owner, row.conversation_id)
            is_shown = is_on_path(session, conversation.leaf_id, row)
            row.deleted_at = now() if is_deleted else None
            if is_deleted and is_shown and not has_children(session, row):
                if (sibling := live_sibling(session, row)) is not None:
                    row.resume_leaf_id = conversation.leaf_id
                    conversation.leaf_id = leaf_below(session, sibling)
            elif not is_deleted and not is_shown:
                remember_branch(session, conversation, row)
                conversation.leaf_id = leaf_below(session, row)

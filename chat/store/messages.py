"""The tree of messages: what grows it, and what moves the version in view."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, bindparam, select
from sqlalchemy.orm import Session

from chat.domain.conversation import ReplySettings
from chat.domain.ids import new_id
from chat.domain.message import Message, Role, Status
from chat.domain.token_estimate import TokenCount
from chat.domain.writes import NewAnswer, NewQuestion
from chat.errors import NotFound
from chat.store.attachments import add_attachments
from chat.store.conversations import owned
from chat.store.engine import writing
from chat.store.ledger import LedgerStore
from chat.store.message_queries import MessageReader
from chat.store.message_tree import (
    has_followers,
    idle,
    is_on_path,
    leaf_below,
    leave,
    live_sibling,
    owned_message,
    put_aside,
)
from chat.store.schema import ConversationRow, MessageRow, as_message, now

_DEPTH = select(MessageRow.depth).where(MessageRow.id == bindparam("id"))


class MessageStore(MessageReader):
    def __init__(self, engine: Engine, ledger: LedgerStore) -> None:
        super().__init__(engine)
        self._ledger = ledger

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
        """Question and empty answer below the leaf, in a new conversation when there is none."""
        with writing(self._engine) as session:
            if conversation_id is None:
                chosen = settings or ReplySettings()
                conversation = ConversationRow(
                    id=new_id(),
                    owner=owner,
                    title=title,
                    model=chosen.model,
                    temperature=chosen.temperature,
                    system_prompt=chosen.system_prompt,
                    max_reply_tokens=chosen.max_reply_tokens,
                    created_at=now(),
                    updated_at=now(),
                )
                session.add(conversation)
                session.flush()
            else:
                conversation = idle(session, owner, conversation_id)
            asked = _add_question(session, conversation, conversation.leaf_id, question)
            return as_message(self._add_answer(session, conversation, asked, answer))

    def edit(
        self, owner: str, message_id: str, question: NewQuestion, answer: NewAnswer
    ) -> Message:
        """A new version of a question, beside the old one, with an empty answer below it."""
        with writing(self._engine) as session:
            old = owned_message(session, owner, message_id)
            if old.role != Role.USER.value:
                raise NotFound
            conversation = idle(session, owner, old.conversation_id)
            put_aside(session, conversation, old)
            asked = _add_question(session, conversation, old.parent_id, question)
            return as_message(self._add_answer(session, conversation, asked, answer))

    def retry(self, owner: str, message_id: str, answer: NewAnswer) -> Message:
        """A new, empty version of an answer; the leaf it replaces is remembered."""
        with writing(self._engine) as session:
            old = owned_message(session, owner, message_id)
            if old.role != Role.ASSISTANT.value or old.parent_id is None:
                raise NotFound
            conversation = idle(session, owner, old.conversation_id)
            before = conversation.leaf_id
            put_aside(session, conversation, old)
            parent = session.get_one(MessageRow, old.parent_id)
            row = self._add_answer(session, conversation, parent, answer)
            row.replaces_id = before if old.text or before != old.id else None
            return as_message(row)

    def copy(
        self, owner: str, title: str, said: Sequence[tuple[Role, str, str | None, bool, TokenCount]]
    ) -> str:
        """A new conversation of messages, oldest first: (role, text, model, is cut, tokens)."""
        moment = now()
        with writing(self._engine) as session:
            conversation = ConversationRow(
                id=new_id(),
                owner=owner,
                title=title,
                system_prompt="",
                created_at=moment,
                updated_at=moment,
            )
            session.add(conversation)
            session.flush()
            for depth, (role, text, model, is_cut, count) in enumerate(said):
                row = MessageRow(
                    id=new_id(),
                    conversation_id=conversation.id,
                    parent_id=conversation.leaf_id,
                    depth=depth,
                    role=role.value,
                    text=text,
                    status=(Status.STOPPED if is_cut else Status.COMPLETE).value,
                    tokens=count.tokens,
                    is_exact=count.is_exact,
                    reasoning="",
                    model=model,
                    created_at=moment,
                )
                session.add(row)
                session.flush()
                conversation.leaf_id = row.id
            return conversation.id

    def show_version(self, owner: str, message_id: str) -> None:
        """Put a version in view, with everything that followed it when it was last seen."""
        with writing(self._engine) as session:
            wanted = owned_message(session, owner, message_id)
            conversation = owned(session, owner, wanted.conversation_id, lock=True)
            leave(session, conversation, wanted)
            conversation.leaf_id = leaf_below(session, wanted)

    def show(self, owner: str, message_id: str) -> int:
        """Bring a message into view, on the version that holds it.

        Returns its place from the end of the path, 1 for the last message.
        """
        with writing(self._engine) as session:
            wanted = owned_message(session, owner, message_id)
            conversation = owned(session, owner, wanted.conversation_id, lock=True)
            if not is_on_path(session, conversation.leaf_id, wanted):
                leave(session, conversation, wanted)
                conversation.leaf_id = leaf_below(session, wanted)
            leaf = session.get_one(MessageRow, conversation.leaf_id)
            return leaf.depth - wanted.depth + 1

    def set_deleted(self, owner: str, message_id: str, *, is_deleted: bool) -> None:
        """Hide one message, or bring it back. What follows it stays, as do its other versions.

        A hidden version that nothing follows gives way to the one beside it.
        """
        with writing(self._engine) as session:
            row = owned_message(session, owner, message_id)
            conversation = idle(session, owner, row.conversation_id)
            is_shown = is_on_path(session, conversation.leaf_id, row)
            row.deleted_at = now() if is_deleted else None
            if is_deleted and is_shown and not has_followers(session, row):
                if (beside := live_sibling(session, row)) is not None:
                    row.resume_leaf_id = conversation.leaf_id
                    conversation.leaf_id = leaf_below(session, beside)
            elif not is_deleted and not is_shown:
                leave(session, conversation, row)
                conversation.leaf_id = leaf_below(session, row)

    def _add_answer(
        self,
        session: Session,
        conversation: ConversationRow,
        question: MessageRow,
        answer: NewAnswer,
    ) -> MessageRow:
        moment = now()
        row = MessageRow(
            id=answer.id,
            conversation_id=conversation.id,
            parent_id=question.id,
            depth=question.depth + 1,
            role=Role.ASSISTANT.value,
            text="",
            status=Status.STREAMING.value,
            tokens=0,
            is_exact=False,
            reasoning="",
            model=answer.model,
            worker=answer.worker,
            heartbeat_at=moment,
            created_at=moment,
        )
        session.add(row)
        conversation.leaf_id = row.id
        conversation.updated_at = moment
        if answer.call is not None:
            self._ledger.record(session, answer.call)
        return row


def _add_question(
    session: Session,
    conversation: ConversationRow,
    parent_id: str | None,
    question: NewQuestion,
) -> MessageRow:
    above = session.scalar(_DEPTH, {"id": parent_id}) if parent_id else None
    row = MessageRow(
        id=question.id,
        conversation_id=conversation.id,
        parent_id=parent_id,
        depth=0 if above is None else above + 1,
        role=Role.USER.value,
        text=question.text,
        status=Status.COMPLETE.value,
        tokens=question.tokens,
        is_exact=question.is_exact,
        created_at=now(),
    )
    session.add(row)
    if question.new_files or question.kept_files:
        session.flush()
        add_attachments(session, row.id, question.new_files, question.kept_files)
    return row

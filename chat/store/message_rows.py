"""Adds the rows of new conversations, questions and answers, inside a session."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from chat.domain.conversation import ReplySettings
from chat.domain.ids import new_id
from chat.domain.message import Role, Status
from chat.domain.token_estimate import TokenCount
from chat.domain.writes import NewAnswer, NewQuestion
from chat.store.attachments import add_attachments
from chat.store.schema import ConversationRow, MessageRow, now

_DEPTH = select(MessageRow.depth).where(MessageRow.id == bindparam("id"))

CopiedMessage = tuple[Role, str, str | None, bool, TokenCount]
"""Role, text, model, whether the text is cut, and token count."""


def add_conversation(
    session: Session, owner: str, title: str, settings: ReplySettings
) -> ConversationRow:
    moment = now()
    row = ConversationRow(
        id=new_id(),
        owner=owner,
        title=title,
        model=settings.model,
        temperature=settings.temperature,
        system_prompt=settings.system_prompt,
        max_reply_tokens=settings.max_reply_tokens,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    return row


def add_question(
    session: Session,
    conversation: ConversationRow,
    parent_id: str | None,
    question: NewQuestion,
) -> MessageRow:
    """Add a question with its attachments below `parent_id`."""
    parent_depth = session.scalar(_DEPTH, {"id": parent_id}) if parent_id else None
    row = MessageRow(
        id=question.id,
        conversation_id=conversation.id,
        parent_id=parent_id,
        depth=0 if parent_depth is None else parent_depth + 1,
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


def add_answer(
    session: Session, conversation: ConversationRow, question: MessageRow, answer: NewAnswer
) -> MessageRow:
    """Add an empty, running answer below a question and make it the leaf."""
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
    return row


def add_copies(
    session: Session, conversation: ConversationRow, messages: Sequence[CopiedMessage]
) -> None:
    """Add copied messages, oldest first, to an empty conversation."""
    for depth, (role, text, model, is_cut, count) in enumerate(messages):
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
            created_at=conversation.created_at,
        )
        session.add(row)
        session.flush()
        conversation.leaf_id = row.id

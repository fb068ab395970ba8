"""The tree of one conversation inside a transaction: whose it is, what is in view, what is beside.

Helpers of the store's own methods; rows go in and out, so nothing outside of `chat.store` uses it.
"""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from chat.domain import Role, Status
from chat.errors import NotFound, ReplyRunning
from chat.store.conversations import owned
from chat.store.schema import ConversationRow, MessageRow


def owned_message(session: Session, owner: str, message_id: str) -> MessageRow:
    row = session.scalar(
        select(MessageRow)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .where(
            MessageRow.id == message_id,
            ConversationRow.owner == owner,
            ConversationRow.deleted_at.is_(None),
        )
    )
    if row is None:
        raise NotFound
    return row


def idle(session: Session, owner: str, conversation_id: str) -> ConversationRow:
    """The conversation, locked, with no reply running in it; else `ReplyRunning`."""
    conversation = owned(session, owner, conversation_id, lock=True)
    running = session.scalar(
        select(MessageRow.id)
        .where(
            MessageRow.conversation_id == conversation_id,
            MessageRow.status == Status.STREAMING.value,
        )
        .limit(1)
    )
    if running is not None:
        raise ReplyRunning
    return conversation


def ancestor_at(session: Session, leaf_id: str | None, depth: int) -> MessageRow | None:
    """The message at `depth` on the path to `leaf_id`."""
    if leaf_id is None:
        return None
    walk = (
        select(MessageRow.id, MessageRow.parent_id, MessageRow.depth)
        .where(MessageRow.id == leaf_id)
        .cte("walk", recursive=True)
    )
    above = aliased(MessageRow)
    walk = walk.union_all(
        select(above.id, above.parent_id, above.depth)
        .join(walk, above.id == walk.c.parent_id)
        .where(above.depth >= depth)
    )
    return session.scalar(
        select(MessageRow).join(walk, MessageRow.id == walk.c.id).where(walk.c.depth == depth)
    )


def is_on_path(session: Session, leaf_id: str | None, row: MessageRow) -> bool:
    found = ancestor_at(session, leaf_id, row.depth)
    return found is not None and found.id == row.id


def leave(session: Session, conversation: ConversationRow, wanted: MessageRow) -> None:
    """Remember on the version now in view where its branch stands, before another is shown."""
    shown = ancestor_at(session, conversation.leaf_id, wanted.depth)
    if shown is not None and shown.id != wanted.id and shown.parent_id == wanted.parent_id:
        shown.resume_leaf_id = conversation.leaf_id


def live_sibling(session: Session, row: MessageRow) -> MessageRow | None:
    """The version to show in place of a deleted one: the nearest older one, else the next."""
    same_parent = (
        MessageRow.parent_id.is_(None)
        if row.parent_id is None
        else MessageRow.parent_id == row.parent_id
    )
    beside = session.scalars(
        select(MessageRow)
        .where(
            MessageRow.conversation_id == row.conversation_id,
            same_parent,
            MessageRow.id != row.id,
            MessageRow.deleted_at.is_(None),
            or_(MessageRow.text != "", MessageRow.role == Role.USER.value),
        )
        .order_by(MessageRow.id)
    ).all()
    older = [sibling for sibling in beside if sibling.id < row.id]
    return older[-1] if older else (beside[0] if beside else None)

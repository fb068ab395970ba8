"""The message tree of a conversation, inside a session: ownership, branches and versions.

Works on rows, so only `chat.store` uses it.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from chat.domain.message import Message, Role, Status
from chat.errors import NotFound, ReplyRunning
from chat.store.attachments import HAS_FILES, load_attachments
from chat.store.conversations import IS_RUNNING, owned_conversation, require_valid_id
from chat.store.row_values import as_message
from chat.store.schema import ConversationRow, MessageRow

_MINE = (
    (MessageRow.id == bindparam("id"))
    & (ConversationRow.owner == bindparam("owner"))
    & ConversationRow.deleted_at.is_(None)
)
_OF_CONVERSATION = ConversationRow.id == MessageRow.conversation_id
_OWNED = select(MessageRow).join(ConversationRow, _OF_CONVERSATION).where(_MINE)
_READ = select(MessageRow.__table__, HAS_FILES).join(ConversationRow, _OF_CONVERSATION).where(_MINE)
_RUNNING = select(MessageRow.id).where(
    MessageRow.conversation_id == bindparam("conversation_id"), IS_RUNNING
)


def owned_message(session: Session, owner: str, message_id: str) -> MessageRow:
    """Return the row of an owner's message for changes. Raises `NotFound`."""
    require_valid_id(message_id)
    row = session.scalar(_OWNED, {"id": message_id, "owner": owner})
    if row is None:
        raise NotFound
    return row


def read_message(session: Session, owner: str, message_id: str) -> Message:
    """Return an owner's message with its attachments. Raises `NotFound`."""
    require_valid_id(message_id)
    row = session.execute(_READ, {"id": message_id, "owner": owner}).first()
    if row is None:
        raise NotFound
    files = load_attachments(session, [message_id] if row.has_files else [])
    return as_message(row, files.get(message_id, ()))


def lock_idle_conversation(session: Session, owner: str, conversation_id: str) -> ConversationRow:
    """Lock and return a conversation. Raises `ReplyRunning` while a reply runs in it."""
    conversation = owned_conversation(session, owner, conversation_id, lock=True)
    if session.execute(_RUNNING, {"conversation_id": conversation_id}).first() is not None:
        raise ReplyRunning
    return conversation


def _ancestor_at() -> Select[MessageRow]:
    walk = (
        select(MessageRow.id, MessageRow.parent_id, MessageRow.depth)
        .where(MessageRow.id == bindparam("leaf_id"))
        .cte("walk", recursive=True)
    )
    parent = aliased(MessageRow)
    walk = walk.union_all(
        select(parent.id, parent.parent_id, parent.depth)
        .join(walk, parent.id == walk.c.parent_id)
        .where(parent.depth >= bindparam("depth"))
    )
    return (
        select(MessageRow)
        .join(walk, MessageRow.id == walk.c.id)
        .where(walk.c.depth == bindparam("depth"))
    )


_ANCESTOR_AT = _ancestor_at()


def ancestor_at(session: Session, leaf_id: str | None, depth: int) -> MessageRow | None:
    """Return the message at `depth` on the path to `leaf_id`."""
    if leaf_id is None:
        return None
    return session.scalar(_ANCESTOR_AT, {"leaf_id": leaf_id, "depth": depth})


def is_on_path(session: Session, leaf_id: str | None, row: MessageRow) -> bool:
    found = ancestor_at(session, leaf_id, row.depth)
    return found is not None and found.id == row.id


def remember_branch(session: Session, conversation: ConversationRow, wanted: MessageRow) -> None:
    """Store the current leaf on the shown version before the branch of `wanted` is shown.

    The branches separate at `wanted` or at one of its ancestors.
    """
    row: MessageRow | None = wanted
    while row is not None:
        shown = ancestor_at(session, conversation.leaf_id, row.depth)
        if shown is not None and shown.parent_id == row.parent_id:
            if shown.id != row.id:
                shown.resume_leaf_id = conversation.leaf_id
            return
        row = session.get(MessageRow, row.parent_id) if row.parent_id else None


def remember_replaced_branch(
    session: Session, conversation: ConversationRow, old: MessageRow
) -> None:
    """Store the current leaf before a new version of `old` is added and shown."""
    if is_on_path(session, conversation.leaf_id, old):
        old.resume_leaf_id = conversation.leaf_id
    else:  # another tab has changed the view
        remember_branch(session, conversation, old)


def leaf_below(session: Session, row: MessageRow) -> str:
    """Return the leaf to show with `row`: the newest below its remembered leaf, or below itself.

    The newest id may belong to an inner message after a clock was set back, so only messages
    without children are considered.
    """
    top = row.resume_leaf_id or row.id
    below = select(MessageRow.id).where(MessageRow.id == top).cte("below", recursive=True)
    child = aliased(MessageRow)
    below = below.union_all(select(child.id).join(below, child.parent_id == below.c.id))
    has_child = exists().where(MessageRow.parent_id == below.c.id)
    return session.scalar(select(func.max(below.c.id)).where(~has_child)) or top


def has_children(session: Session, row: MessageRow) -> bool:
    """Return whether a message has children that are not deleted."""
    child = aliased(MessageRow)
    found = select(child.id).where(child.parent_id == row.id, child.deleted_at.is_(None))
    return session.scalar(found.limit(1)) is not None


def is_version() -> ColumnElement[bool]:
    """Return a condition for messages that count as versions.

    Answers that ended without text do not count unless they have children, which would be
    unreachable otherwise.
    """
    child = aliased(MessageRow)
    return or_(
        MessageRow.text != "",
        MessageRow.role == Role.USER.value,
        MessageRow.status.in_([Status.STREAMING.value, Status.COMPLETE.value]),
        exists().where(child.parent_id == MessageRow.id),
    )


def same_parent(parent_id: str | None) -> ColumnElement[bool]:
    if parent_id is None:
        return MessageRow.parent_id.is_(None)
    return MessageRow.parent_id == parent_id


def live_sibling(session: Session, row: MessageRow) -> MessageRow | None:
    """Return the version to show instead of a deleted one: the previous one, else the next."""
    siblings = session.scalars(
        select(MessageRow)
        .where(
            MessageRow.conversation_id == row.conversation_id,
            same_parent(row.parent_id),
            MessageRow.id != row.id,
            MessageRow.deleted_at.is_(None),
            is_version(),
        )
        .order_by(MessageRow.id)
    ).all()
    older = [sibling for sibling in siblings if sibling.id < row.id]
    return older[-1] if older else (siblings[0] if siblings else None)

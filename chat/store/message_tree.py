"""The tree of one conversation inside a transaction: whose it is, what is in view, what is beside.

Helpers of the store's own methods; rows go in and out, so nothing outside of `chat.store` uses it.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from chat.domain.message import Message, Role, Status
from chat.errors import NotFound, ReplyRunning
from chat.store.attachments import HAS_FILES, files_of
from chat.store.conversations import IS_RUNNING, must_be_an_id, owned
from chat.store.schema import ConversationRow, MessageRow, as_message

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
    """The message, to be changed."""
    must_be_an_id(message_id)
    row = session.scalar(_OWNED, {"id": message_id, "owner": owner})
    if row is None:
        raise NotFound
    return row


def message_of(session: Session, owner: str, message_id: str) -> Message:
    """The message, to be read."""
    must_be_an_id(message_id)
    row = session.execute(_READ, {"id": message_id, "owner": owner}).first()
    if row is None:
        raise NotFound
    files = files_of(session, [message_id] if row.has_files else [])
    return as_message(row, files.get(message_id, ()))


def idle(session: Session, owner: str, conversation_id: str) -> ConversationRow:
    """The conversation, locked, with no reply running in it; else `ReplyRunning`."""
    conversation = owned(session, owner, conversation_id, lock=True)
    if session.execute(_RUNNING, {"conversation_id": conversation_id}).first() is not None:
        raise ReplyRunning
    return conversation


def _ancestor_at() -> Select[MessageRow]:
    walk = (
        select(MessageRow.id, MessageRow.parent_id, MessageRow.depth)
        .where(MessageRow.id == bindparam("leaf_id"))
        .cte("walk", recursive=True)
    )
    above = aliased(MessageRow)
    walk = walk.union_all(
        select(above.id, above.parent_id, above.depth)
        .join(walk, above.id == walk.c.parent_id)
        .where(above.depth >= bindparam("depth"))
    )
    return (
        select(MessageRow)
        .join(walk, MessageRow.id == walk.c.id)
        .where(walk.c.depth == bindparam("depth"))
    )


_ANCESTOR_AT = _ancestor_at()


def ancestor_at(session: Session, leaf_id: str | None, depth: int) -> MessageRow | None:
    """The message at `depth` on the path to `leaf_id`."""
    if leaf_id is None:
        return None
    return session.scalar(_ANCESTOR_AT, {"leaf_id": leaf_id, "depth": depth})


def is_on_path(session: Session, leaf_id: str | None, row: MessageRow) -> bool:
    found = ancestor_at(session, leaf_id, row.depth)
    return found is not None and found.id == row.id


def leave(session: Session, conversation: ConversationRow, wanted: MessageRow) -> None:
    """Remember on the version now in view where its branch stands, before `wanted` is shown.

    The two branches part somewhere above `wanted`, perhaps at `wanted` itself.
    """
    row: MessageRow | None = wanted
    while row is not None:
        shown = ancestor_at(session, conversation.leaf_id, row.depth)
        if shown is not None and shown.parent_id == row.parent_id:
            if shown.id != row.id:
                shown.resume_leaf_id = conversation.leaf_id
            return
        row = session.get(MessageRow, row.parent_id) if row.parent_id else None


def put_aside(session: Session, conversation: ConversationRow, old: MessageRow) -> None:
    """Before a new version of `old` comes into view: remember where what is in view stands."""
    if is_on_path(session, conversation.leaf_id, old):
        old.resume_leaf_id = conversation.leaf_id
    else:  # another tab has moved on
        leave(session, conversation, old)


def leaf_below(session: Session, row: MessageRow) -> str:
    """The leaf to show with `row`: where its branch was left, else the newest message below.

    What was said since below the place where it was left is shown as well. Only what nothing
    follows can be it: ids sort by time, but not across a clock that was set back.
    """
    top = row.resume_leaf_id or row.id
    below = select(MessageRow.id).where(MessageRow.id == top).cte("below", recursive=True)
    child = aliased(MessageRow)
    below = below.union_all(select(child.id).join(below, child.parent_id == below.c.id))
    is_followed = exists().where(MessageRow.parent_id == below.c.id)
    return session.scalar(select(func.max(below.c.id)).where(~is_followed)) or top


def has_followers(session: Session, row: MessageRow) -> bool:
    child = aliased(MessageRow)
    found = select(child.id).where(child.parent_id == row.id, child.deleted_at.is_(None))
    return session.scalar(found.limit(1)) is not None


def is_version() -> ColumnElement[bool]:
    """Whether a message counts among the versions: not an answer that came to nothing.

    Unless something follows it, which could not be reached otherwise.
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
    """The version to show in place of a deleted one: the nearest older one, else the next."""
    beside = session.scalars(
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
    older = [sibling for sibling in beside if sibling.id < row.id]
    return older[-1] if older else (beside[0] if beside else None)

"""Queries over the messages of a conversation, inside a session: versions and running replies."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session, aliased

from chat.domain.message import Message, Status, Versions
from chat.domain.versions import versions
from chat.errors import NotFound
from chat.store.conversations import IS_RUNNING, require_valid_id
from chat.store.message_tree import is_version
from chat.store.row_values import as_message
from chat.store.schema import ConversationRow, MessageRow

_MESSAGES = MessageRow.__table__
_RUNNING = (
    select(ConversationRow.id, MessageRow.id.label("running_id"))
    .outerjoin(MessageRow, (MessageRow.conversation_id == ConversationRow.id) & IS_RUNNING)
    .where(
        ConversationRow.owner == bindparam("owner"),
        ConversationRow.id == bindparam("id"),
        ConversationRow.deleted_at.is_(None),
    )
    .order_by(MessageRow.id)
)
_later = aliased(MessageRow)
_FAILED_RETRY = (
    select(_MESSAGES)
    .where(
        _MESSAGES.c.replaces_id == bindparam("leaf_id"),
        _MESSAGES.c.status == Status.FAILED.value,
        ~exists().where(
            _later.conversation_id == _MESSAGES.c.conversation_id,
            _later.parent_id == _MESSAGES.c.parent_id,
            _later.id > _MESSAGES.c.id,
        ),
    )
    .order_by(_MESSAGES.c.id.desc())
    .limit(1)
)


def _versions(has_parent: ColumnElement[bool]) -> Select[str, str | None]:
    return (
        select(MessageRow.id, MessageRow.parent_id)
        .where(
            MessageRow.conversation_id == bindparam("conversation_id"),
            has_parent,
            or_(
                MessageRow.id.in_(bindparam("ids", expanding=True)),
                and_(MessageRow.deleted_at.is_(None), is_version()),
            ),
        )
        .order_by(MessageRow.id)
    )


_VERSIONS = _versions(MessageRow.parent_id.in_(bindparam("parents", expanding=True)))
_VERSIONS_WITH_ROOTS = _versions(
    or_(
        MessageRow.parent_id.in_(bindparam("parents", expanding=True)),
        MessageRow.parent_id.is_(None),
    )
)


def read_versions(session: Session, shown: Sequence[Message]) -> dict[str, Versions]:
    """Return the versions of each message of a path, by message id.

    Deleted versions and answers without content are left out unless they are shown themselves.
    """
    if not shown:
        return {}
    values = {
        "conversation_id": shown[0].conversation_id,
        "ids": [message.id for message in shown],
        "parents": list({message.parent_id for message in shown if message.parent_id}),
    }
    has_root = any(message.parent_id is None for message in shown)
    rows = session.execute(_VERSIONS_WITH_ROOTS if has_root else _VERSIONS, values).all()
    siblings: dict[str | None, list[str]] = {}
    for id_, parent_id in rows:
        siblings.setdefault(parent_id, []).append(id_)
    return {m.id: versions(siblings[m.parent_id], m.id) for m in shown}


def running_replies(session: Session, owner: str, conversation_id: str) -> list[str]:
    """Return the ids of the running replies of a conversation. Raises `NotFound`."""
    require_valid_id(conversation_id)
    rows = session.execute(_RUNNING, {"owner": owner, "id": conversation_id}).all()
    if not rows:
        raise NotFound
    return [row.running_id for row in rows if row.running_id]


def latest_failed_retry(session: Session, leaf_id: str) -> Message | None:
    """Return the failed retry that restored `leaf_id`; None if a later version exists."""
    row = session.execute(_FAILED_RETRY, {"leaf_id": leaf_id}).first()
    return as_message(row) if row else None

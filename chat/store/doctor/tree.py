"""Checks of message trees: roles, states, parents, depths, leaves and pointers.

Two consecutive questions are valid: imports may contain them, and so may copies of shared
conversations without deleted messages.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from chat.domain.message import Role, Status
from chat.formats.message_tree import Tree, build_tree
from chat.store.doctor.checks import Check
from chat.store.message_tree import leaf_below
from chat.store.schema import ConversationRow, MessageRow

_PARENT = aliased(MessageRow)
_IS_USER = MessageRow.role == Role.USER.value


# --- roles and states --------------------------------------------------------------------------


def _unknown_roles(session: Session) -> list[str]:
    known = [role.value for role in Role]
    return list(session.scalars(select(MessageRow.id).where(MessageRow.role.not_in(known))))


def _set_roles(session: Session, ids: list[str]) -> None:
    """Set the role from the model, which only answers have."""
    role = case((MessageRow.model.is_(None), Role.USER.value), else_=Role.ASSISTANT.value)
    for batch in _batches(ids):
        session.execute(update(MessageRow).where(MessageRow.id.in_(batch)).values(role=role))


def _unknown_states(session: Session) -> list[str]:
    """Return messages with an invalid status, and questions that are not complete."""
    known = [status.value for status in Status]
    wrong = or_(
        MessageRow.status.not_in(known), and_(_IS_USER, MessageRow.status != Status.COMPLETE.value)
    )
    return list(session.scalars(select(MessageRow.id).where(wrong)))


def _set_states(session: Session, ids: list[str]) -> None:
    status = case((_IS_USER, Status.COMPLETE.value), else_=Status.INTERRUPTED.value)
    for batch in _batches(ids):
        session.execute(update(MessageRow).where(MessageRow.id.in_(batch)).values(status=status))


# --- parents and depths ------------------------------------------------------------------------


def _missing_parents(session: Session) -> list[str]:
    query = (
        select(MessageRow.id)
        .outerjoin(
            _PARENT,
            and_(
                _PARENT.id == MessageRow.parent_id,
                _PARENT.conversation_id == MessageRow.conversation_id,
            ),
        )
        .where(MessageRow.parent_id.is_not(None), _PARENT.id.is_(None))
    )
    return list(session.scalars(query.order_by(MessageRow.id)))


def _wrong_depths(session: Session) -> list[str]:
    query = (
        select(MessageRow.id)
        .outerjoin(_PARENT, _PARENT.id == MessageRow.parent_id)
        .where(MessageRow.depth != func.coalesce(_PARENT.depth + 1, 0))
    )
    return list(session.scalars(query.order_by(MessageRow.id)))


def _cycles(session: Session) -> list[str]:
    """Return messages in a parent cycle; at least one message of a cycle has a wrong depth."""
    found: list[str] = []
    for parents in _parents_by_conversation(session, _wrong_depths(session)):
        tree = build_tree(parents)
        found += [
            id_
            for id_, parent in parents.items()
            if parent in parents and tree.parents[id_] is None
        ]
    return found


def _rebuild_tree(session: Session, ids: list[str]) -> None:
    """Recompute parents and depths. Messages without a valid parent become root versions."""
    for parents in _parents_by_conversation(session, ids):
        tree: Tree = build_tree(parents)
        for id_, parent in tree.parents.items():
            session.execute(
                update(MessageRow)
                .where(MessageRow.id == id_)
                .values(parent_id=parent, depth=tree.depths[id_])
            )


def _parents_by_conversation(
    session: Session, ids: Iterable[str]
) -> Iterable[dict[str, str | None]]:
    """Yield the parent of every message, for each conversation that contains one of `ids`."""
    conversations: set[str] = set()
    for batch in _batches(list(ids)):
        query = select(MessageRow.conversation_id).where(MessageRow.id.in_(batch))
        conversations.update(session.scalars(query))
    for conversation_id in sorted(conversations):
        rows = session.execute(
            select(MessageRow.id, MessageRow.parent_id)
            .where(MessageRow.conversation_id == conversation_id)
            .order_by(MessageRow.id)
        )
        yield {row.id: row.parent_id for row in rows}


# --- leaves and pointers -----------------------------------------------------------------------


def _wrong_leaves(session: Session) -> list[str]:
    """Return conversations with a missing leaf, or one with children, which would be hidden."""
    leaf, child = aliased(MessageRow), aliased(MessageRow)
    exists_here = exists().where(
        leaf.id == ConversationRow.leaf_id, leaf.conversation_id == ConversationRow.id
    )
    has_messages = exists().where(MessageRow.conversation_id == ConversationRow.id)
    has_child = exists().where(child.parent_id == ConversationRow.leaf_id)
    wrong: ColumnElement[bool] = or_(
        and_(ConversationRow.leaf_id.is_(None), has_messages),
        and_(ConversationRow.leaf_id.is_not(None), or_(~exists_here, has_child)),
    )
    return list(session.scalars(select(ConversationRow.id).where(wrong)))


def _set_leaves(session: Session, ids: list[str]) -> None:
    for id_ in ids:
        conversation = session.get_one(ConversationRow, id_)
        messages = select(MessageRow).where(MessageRow.conversation_id == id_)
        shown = session.scalar(messages.where(MessageRow.id == conversation.leaf_id))
        if shown is None:
            newest = messages.order_by(MessageRow.deleted_at.is_not(None), MessageRow.id.desc())
            shown = session.scalar(newest.limit(1))
        conversation.leaf_id = None if shown is None else leaf_below(session, shown)


def _is_dangling(pointer: InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
    target = aliased(MessageRow)
    has_target = exists().where(
        target.id == pointer, target.conversation_id == MessageRow.conversation_id
    )
    return and_(pointer.is_not(None), ~has_target)


def _dangling_pointers(session: Session) -> list[str]:
    wrong = or_(_is_dangling(MessageRow.resume_leaf_id), _is_dangling(MessageRow.replaces_id))
    return list(session.scalars(select(MessageRow.id).where(wrong)))


def _clear_pointers(session: Session, ids: list[str]) -> None:
    for pointer in (MessageRow.resume_leaf_id, MessageRow.replaces_id):
        dangling = list(session.scalars(select(MessageRow.id).where(_is_dangling(pointer))))
        for batch in _batches(dangling):
            session.execute(
                update(MessageRow).where(MessageRow.id.in_(batch)).values({pointer.key: None})
            )


def _batches(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + 500] for start in range(0, len(ids), 500))


CHECKS = (
    Check("role", "messages with an unknown role", _unknown_roles, _set_roles),
    Check("status", "messages with an invalid status", _unknown_states, _set_states),
    Check("parent", "messages with a missing parent", _missing_parents, _rebuild_tree),
    Check("circle", "messages in a cycle", _cycles, _rebuild_tree),
    Check("depth", "messages at a wrong depth", _wrong_depths, _rebuild_tree),
    Check("pointer", "messages that point to a missing one", _dangling_pointers, _clear_pointers),
    Check("leaf", "conversations with a wrong leaf", _wrong_leaves, _set_leaves),
)

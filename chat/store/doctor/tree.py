"""The tree of each conversation: parents, depths, the leaf in view, and what points into it.

Two questions in a row are no fault: an import may hold them, and so may a copy of a shared
conversation of which a message was deleted.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from chat.domain.message import Role, Status
from chat.formats.message_tree import Tree, build_tree
from chat.store.doctor.kinds import Kind
from chat.store.message_tree import leaf_below
from chat.store.schema import ConversationRow, MessageRow

_PARENT = aliased(MessageRow)
_IS_USER = MessageRow.role == Role.USER.value


# --- what a message is -------------------------------------------------------------------------


def _unknown_roles(session: Session) -> list[str]:
    known = [role.value for role in Role]
    return list(session.scalars(select(MessageRow.id).where(MessageRow.role.not_in(known))))


def _name_roles(session: Session, ids: list[str]) -> None:
    """Only answers have a model."""
    role = case((MessageRow.model.is_(None), Role.USER.value), else_=Role.ASSISTANT.value)
    for batch in _batches(ids):
        session.execute(update(MessageRow).where(MessageRow.id.in_(batch)).values(role=role))


def _unknown_states(session: Session) -> list[str]:
    """A question is always complete."""
    known = [status.value for status in Status]
    wrong = or_(
        MessageRow.status.not_in(known), and_(_IS_USER, MessageRow.status != Status.COMPLETE.value)
    )
    return list(session.scalars(select(MessageRow.id).where(wrong)))


def _end_states(session: Session, ids: list[str]) -> None:
    status = case((_IS_USER, Status.COMPLETE.value), else_=Status.INTERRUPTED.value)
    for batch in _batches(ids):
        session.execute(update(MessageRow).where(MessageRow.id.in_(batch)).values(status=status))


# --- parents and depths ------------------------------------------------------------------------


def _lost_parents(session: Session) -> list[str]:
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


def _circles(session: Session) -> list[str]:
    """Where messages follow each other in a circle, not all of their depths can be right."""
    found: list[str] = []
    for parents in _parents(session, _wrong_depths(session)):
        tree = build_tree(parents)
        found += [
            id_
            for id_, parent in parents.items()
            if parent in parents and tree.parents[id_] is None
        ]
    return found


def _grow_again(session: Session, ids: list[str]) -> None:
    """Nothing said is lost: what has lost its parent begins a version of its own at the top."""
    for parents in _parents(session, ids):
        tree: Tree = build_tree(parents)
        for id_, parent in tree.parents.items():
            session.execute(
                update(MessageRow)
                .where(MessageRow.id == id_)
                .values(parent_id=parent, depth=tree.depths[id_])
            )


def _parents(session: Session, ids: Iterable[str]) -> Iterable[dict[str, str | None]]:
    """Each message's parent, of each conversation that one of `ids` is in."""
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


# --- what is in view ---------------------------------------------------------------------------


def _wrong_leaves(session: Session) -> list[str]:
    """The leaf is a message of the conversation that nothing follows: what did, would be unseen."""
    leaf, child = aliased(MessageRow), aliased(MessageRow)
    is_there = exists().where(
        leaf.id == ConversationRow.leaf_id, leaf.conversation_id == ConversationRow.id
    )
    has_messages = exists().where(MessageRow.conversation_id == ConversationRow.id)
    is_followed = exists().where(child.parent_id == ConversationRow.leaf_id)
    wrong: ColumnElement[bool] = or_(
        and_(ConversationRow.leaf_id.is_(None), has_messages),
        and_(ConversationRow.leaf_id.is_not(None), or_(~is_there, is_followed)),
    )
    return list(session.scalars(select(ConversationRow.id).where(wrong)))


def _show_leaves(session: Session, ids: list[str]) -> None:
    for id_ in ids:
        conversation = session.get_one(ConversationRow, id_)
        here = select(MessageRow).where(MessageRow.conversation_id == id_)
        shown = session.scalar(here.where(MessageRow.id == conversation.leaf_id))
        if shown is None:
            newest = here.order_by(MessageRow.deleted_at.is_not(None), MessageRow.id.desc())
            shown = session.scalar(newest.limit(1))
        conversation.leaf_id = None if shown is None else leaf_below(session, shown)


def _lost(pointer: InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
    there = aliased(MessageRow)
    is_there = exists().where(
        there.id == pointer, there.conversation_id == MessageRow.conversation_id
    )
    return and_(pointer.is_not(None), ~is_there)


def _lost_pointers(session: Session) -> list[str]:
    wrong = or_(_lost(MessageRow.resume_leaf_id), _lost(MessageRow.replaces_id))
    return list(session.scalars(select(MessageRow.id).where(wrong)))


def _forget_pointers(session: Session, ids: list[str]) -> None:
    for pointer in (MessageRow.resume_leaf_id, MessageRow.replaces_id):
        lost = list(session.scalars(select(MessageRow.id).where(_lost(pointer))))
        for batch in _batches(lost):
            session.execute(
                update(MessageRow).where(MessageRow.id.in_(batch)).values({pointer.key: None})
            )


def _batches(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + 500] for start in range(0, len(ids), 500))


_LOST_POINTERS = "messages that remember one that is not there"
KINDS = (
    Kind("role", "messages that are neither question nor answer", _unknown_roles, _name_roles),
    Kind("status", "messages in a state that is none", _unknown_states, _end_states),
    Kind("parent", "messages below one that is not there", _lost_parents, _grow_again),
    Kind("circle", "messages that follow themselves", _circles, _grow_again),
    Kind("depth", "messages at a wrong depth", _wrong_depths, _grow_again),
    Kind("pointer", _LOST_POINTERS, _lost_pointers, _forget_pointers),
    Kind("leaf", "conversations with a wrong message in view", _wrong_leaves, _show_leaves),
)

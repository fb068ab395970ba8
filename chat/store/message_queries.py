"""What is read of the messages of a conversation: its path in view, and what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Engine, Select, and_, bindparam, exists, or_, select
from sqlalchemy.orm import aliased

from chat.domain.context_window import PathStep, SentMessage
from chat.domain.message import Message, Status, Versions
from chat.domain.versions import versions
from chat.errors import NotFound
from chat.store.conversations import IS_RUNNING, must_be_an_id
from chat.store.engine import reading
from chat.store.message_paths import cleared_depth, path, said, steps
from chat.store.message_tree import is_version, message_of
from chat.store.schema import ConversationRow, MessageRow, as_message

STEPS = 350  # that are read at once: as many as most budgets have room for, and a look further

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


def _versions(under: ColumnElement[bool]) -> Select[str, str | None]:
    return (
        select(MessageRow.id, MessageRow.parent_id)
        .where(
            MessageRow.conversation_id == bindparam("conversation_id"),
            under,
            or_(
                MessageRow.id.in_(bindparam("ids", expanding=True)),
                and_(MessageRow.deleted_at.is_(None), is_version()),
            ),
        )
        .order_by(MessageRow.id)
    )


_VERSIONS = _versions(MessageRow.parent_id.in_(bindparam("parents", expanding=True)))
_VERSIONS_AT_TOP = _versions(
    or_(
        MessageRow.parent_id.in_(bindparam("parents", expanding=True)),
        MessageRow.parent_id.is_(None),
    )
)


class MessageReader:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, owner: str, message_id: str) -> Message:
        with reading(self._engine) as session:
            return message_of(session, owner, message_id)

    def path(
        self, owner: str, conversation_id: str, leaf_id: str | None, limit: int
    ) -> list[Message]:
        """At most `limit` messages from `leaf_id` upwards, newest first, deleted ones included."""
        if leaf_id is None:
            return []
        with reading(self._engine) as session:
            return path(session, owner, conversation_id, leaf_id, limit)

    def walk(self, owner: str, conversation_id: str, leaf_id: str | None) -> Iterator[Message]:
        """The path from `leaf_id` upwards, read a piece at a time as far as it is needed."""
        piece = 64
        while leaf_id is not None:
            messages = self.path(owner, conversation_id, leaf_id, piece)
            yield from messages
            leaf_id = messages[-1].parent_id if messages else None
            piece *= 2

    def steps(self, owner: str, conversation_id: str, leaf_id: str | None) -> Iterator[PathStep]:
        """The same without the texts."""
        while leaf_id is not None:
            with reading(self._engine) as session:
                found = steps(session, owner, conversation_id, leaf_id, STEPS)
            yield from found
            leaf_id = found[-1].parent_id if found else None

    def context_start_depth(
        self, owner: str, conversation_id: str, leaf_id: str | None, cleared_ids: Sequence[str]
    ) -> int:
        """Return the depth of the first message below the newest clear mark on a path, or 0."""
        if leaf_id is None or not cleared_ids:
            return 0
        with reading(self._engine) as session:
            depth = cleared_depth(session, owner, conversation_id, leaf_id, cleared_ids)
        return 0 if depth is None else depth + 1

    def said(
        self, owner: str, conversation_id: str, first_id: str, last_id: str
    ) -> list[SentMessage]:
        """What was said between two messages of one path, both included, oldest first."""
        with reading(self._engine) as session:
            return said(session, owner, conversation_id, first_id, last_id)

    def versions(self, shown: Sequence[Message]) -> dict[str, Versions]:
        """The versions beside each message of one conversation's path.

        Deleted versions and answers that came to nothing do not count unless they are shown.
        """
        if not shown:
            return {}
        values = {
            "conversation_id": shown[0].conversation_id,
            "ids": [message.id for message in shown],
            "parents": list({message.parent_id for message in shown if message.parent_id}),
        }
        is_whole = any(message.parent_id is None for message in shown)
        with reading(self._engine) as session:
            rows = session.execute(_VERSIONS_AT_TOP if is_whole else _VERSIONS, values).all()
        siblings: dict[str | None, list[str]] = {}
        for id_, parent_id in rows:
            siblings.setdefault(parent_id, []).append(id_)
        return {m.id: versions(siblings[m.parent_id], m.id) for m in shown}

    def running(self, owner: str, conversation_id: str) -> list[str]:
        """The ids of the replies being written in a conversation, whichever version they are."""
        must_be_an_id(conversation_id)
        with reading(self._engine) as session:
            found = session.execute(_RUNNING, {"owner": owner, "id": conversation_id}).all()
        if not found:
            raise NotFound
        return [row.running_id for row in found if row.running_id]

    def failed_retry(self, leaf_id: str) -> Message | None:
        """The try that failed and gave `leaf_id` back, when no later one was made."""
        with reading(self._engine) as session:
            row = session.execute(_FAILED_RETRY, {"leaf_id": leaf_id}).first()
            return as_message(row) if row else None

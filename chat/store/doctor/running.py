"""Replies that are said to be running: at most one in a conversation, each written by somebody."""

from __future__ import annotations

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from chat.domain.message import Status
from chat.store.doctor.kinds import Kind, Signs
from chat.store.engine import read_transaction
from chat.store.ledger import LedgerStore, interrupt_call
from chat.store.replies import ReplyStore
from chat.store.schema import MessageRow

LOOK_AGAIN = 1.0  # seconds, in which a reply that is written gives another sign of life
_IS_RUNNING = MessageRow.status == Status.STREAMING.value


def kinds(engine: Engine, signs: Signs) -> tuple[Kind, ...]:
    def abandoned(_: Session) -> list[str]:
        """Each look is a transaction of its own: one sees a single moment.

        What begins after the first look is alive: where much is asked, it would never end.
        """
        columns = (MessageRow.id, MessageRow.worker, MessageRow.heartbeat_at)
        begun: set[str] | None = None
        while True:
            with read_transaction(engine) as session:
                rows = session.execute(select(*columns).where(_IS_RUNNING)).all()
            begun = begun or {row.id for row in rows}
            told = {row.id: signs.is_abandoned(*row) for row in rows if row.id in begun}
            if None not in told.values():
                return [id_ for id_, is_abandoned in told.items() if is_abandoned]
            signs.pause(LOOK_AGAIN)

    def interrupt(session: Session, ids: list[str]) -> None:
        for id_ in ids:
            row = session.get_one(MessageRow, id_)
            row.status = Status.INTERRUPTED.value
            row.worker = row.heartbeat_at = None
            interrupt_call(session, row, signs.cost)

    def sweep() -> None:
        replies = ReplyStore(engine, LedgerStore(engine))
        replies.interrupt_abandoned(signs.is_abandoned, signs.cost)

    return (
        Kind("two replies", "replies beside a later one that runs too", _beside, interrupt),
        Kind("dead reply", "running replies that nobody writes", abandoned, repair_apart=sweep),
    )


def _beside(session: Session) -> list[str]:
    """All but the latest of each conversation."""
    latest = (
        select(MessageRow.conversation_id, func.max(MessageRow.id).label("id"))
        .where(_IS_RUNNING)
        .group_by(MessageRow.conversation_id)
        .subquery()
    )
    query = (
        select(MessageRow.id)
        .join(latest, latest.c.conversation_id == MessageRow.conversation_id)
        .where(_IS_RUNNING, MessageRow.id != latest.c.id)
    )
    return list(session.scalars(query))

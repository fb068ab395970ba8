"""Checks of running replies: one per conversation, each with a live worker."""

from __future__ import annotations

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from chat.domain.message import Status
from chat.store.doctor.checks import Check, Liveness
from chat.store.engine import read_transaction
from chat.store.ledger import LedgerStore, interrupt_call
from chat.store.replies import ReplyStore
from chat.store.schema import MessageRow

RECHECK_AFTER = 1.0  # seconds; the interval of heartbeats
_IS_RUNNING = MessageRow.status == Status.STREAMING.value


def checks(engine: Engine, liveness: Liveness) -> tuple[Check, ...]:
    def abandoned(_: Session) -> list[str]:
        """Check heartbeats until each reply is known to be running or abandoned.

        Reads in transactions of its own, since one transaction sees a single snapshot. Replies
        that start later are skipped; otherwise the loop might never end on a busy instance.
        """
        columns = (MessageRow.id, MessageRow.worker, MessageRow.heartbeat_at)
        initial: set[str] | None = None
        while True:
            with read_transaction(engine) as session:
                rows = session.execute(select(*columns).where(_IS_RUNNING)).all()
            initial = initial or {row.id for row in rows}
            verdicts = {row.id: liveness.is_abandoned(*row) for row in rows if row.id in initial}
            if None not in verdicts.values():
                return [id_ for id_, is_abandoned in verdicts.items() if is_abandoned]
            liveness.pause(RECHECK_AFTER)

    def interrupt(session: Session, ids: list[str]) -> None:
        for id_ in ids:
            row = session.get_one(MessageRow, id_)
            row.status = Status.INTERRUPTED.value
            row.worker = row.heartbeat_at = None
            interrupt_call(session, row, liveness.compute_cost)

    def interrupt_abandoned() -> None:
        replies = ReplyStore(engine, LedgerStore(engine))
        replies.interrupt_abandoned(liveness.is_abandoned, liveness.compute_cost)

    return (
        Check(
            "two replies", "replies running beside a later one", _older_running_replies, interrupt
        ),
        Check(
            "dead reply",
            "running replies of dead workers",
            abandoned,
            standalone_repair=interrupt_abandoned,
        ),
    )


def _older_running_replies(session: Session) -> list[str]:
    """Return all running replies except the latest of each conversation."""
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

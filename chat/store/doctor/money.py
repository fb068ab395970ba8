"""Checks of the ledger: calls that never ended, and negative amounts."""

from __future__ import annotations

from sqlalchemy import Engine, or_, select, update
from sqlalchemy.orm import Session

from chat.domain.message import Status
from chat.store.doctor.checks import Check, Liveness
from chat.store.ledger import MAX_CALL_DURATION, LedgerStore
from chat.store.schema import LedgerRow, MessageRow, now

_AMOUNTS = (
    LedgerRow.prompt_tokens,
    LedgerRow.completion_tokens,
    LedgerRow.cost_nanos,
    LedgerRow.limit_tokens,
    LedgerRow.limit_nanos,
)


def checks(engine: Engine, liveness: Liveness) -> tuple[Check, ...]:
    def never_ended(session: Session) -> list[str]:
        has_running_reply = (
            select(MessageRow.id)
            .where(
                MessageRow.id == LedgerRow.answer_id,
                MessageRow.status == Status.STREAMING.value,
            )
            .exists()
        )
        columns = (LedgerRow.worker, LedgerRow.answer_id, LedgerRow.id, LedgerRow.heartbeat_at)
        query = select(*columns, LedgerRow.created_at)
        query = query.where(LedgerRow.status == Status.STREAMING.value, ~has_running_reply)
        oldest, found = now() - MAX_CALL_DURATION, []
        for worker, answer_id, id_, heartbeat_at, created_at in session.execute(query):
            verdict = liveness.is_lost(worker, answer_id, id_, heartbeat_at)
            if verdict or (verdict is None and created_at < oldest):
                found.append(id_)
        return found

    def end() -> None:
        LedgerStore(engine).end_abandoned(liveness.is_lost, liveness.compute_cost)

    return (
        Check("open call", "calls that never ended", never_ended, standalone_repair=end),
        Check("negative call", "calls with a negative amount", _negative, _reset_negative),
    )


def _negative(session: Session) -> list[str]:
    is_negative = or_(*(column < 0 for column in _AMOUNTS))
    return list(session.scalars(select(LedgerRow.id).where(is_negative)))


def _reset_negative(session: Session, _ids: list[str]) -> None:
    """Set negative amounts to 0, and negative costs to unknown."""
    for column in _AMOUNTS:
        value = None if column is LedgerRow.cost_nanos else 0
        session.execute(update(LedgerRow).where(column < 0).values({column.key: value}))

"""The ledger: every call has ended or is being made, and none took less than nothing."""

from __future__ import annotations

from sqlalchemy import Engine, or_, select, update
from sqlalchemy.orm import Session

from chat.domain.message import Status
from chat.store.doctor.kinds import Kind, Signs
from chat.store.ledger import MAX_CALL_DURATION, LedgerStore
from chat.store.schema import LedgerRow, MessageRow, now

_COUNTED = (
    LedgerRow.prompt_tokens,
    LedgerRow.completion_tokens,
    LedgerRow.cost_nanos,
    LedgerRow.limit_tokens,
    LedgerRow.limit_nanos,
)


def kinds(engine: Engine, signs: Signs) -> tuple[Kind, ...]:
    def never_ended(session: Session) -> list[str]:
        stands = (
            select(MessageRow.id)
            .where(
                MessageRow.id == LedgerRow.answer_id,
                MessageRow.status == Status.STREAMING.value,
            )
            .exists()
        )
        columns = (LedgerRow.worker, LedgerRow.answer_id, LedgerRow.id, LedgerRow.heartbeat_at)
        query = select(*columns, LedgerRow.created_at)
        query = query.where(LedgerRow.status == Status.STREAMING.value, ~stands)
        too_old, found = now() - MAX_CALL_DURATION, []
        for worker, answer_id, id_, beat, begun in session.execute(query):
            known = signs.is_lost(worker, answer_id, id_, beat)
            if known or (known is None and begun < too_old):
                found.append(id_)
        return found

    def end() -> None:
        LedgerStore(engine).end_abandoned(signs.is_lost, signs.cost)

    return (
        Kind("open call", "calls that never ended", never_ended, repair_apart=end),
        Kind("negative call", "calls that took less than nothing", _negative, _to_nothing),
    )


def _negative(session: Session) -> list[str]:
    wrong = or_(*(column < 0 for column in _COUNTED))
    return list(session.scalars(select(LedgerRow.id).where(wrong)))


def _to_nothing(session: Session, _ids: list[str]) -> None:
    """A price below nothing is not known."""
    for column in _COUNTED:
        value = None if column is LedgerRow.cost_nanos else 0
        session.execute(update(LedgerRow).where(column < 0).values({column.key: value}))

"""The ledger: one row for every provider call, inserted before the call and completed after it.

The row of a reply is written in the transactions that store the reply. Replies of temporary
conversations are stored in another database and recordings in none; their ledger rows use
transactions of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta

from sqlalchemy import Engine, bindparam, case, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from chat.domain.calls import CallKind, EndedCall, NewCall
from chat.domain.message import Status
from chat.domain.person import OWN_KEY_PREFIX, is_billed_to_operator
from chat.domain.token_estimate import TOKENS_PER_MESSAGE, estimate_tokens
from chat.store.engine import read_transaction, write_transaction
from chat.store.limits import check_limits, lock_limits
from chat.store.schema import AttachmentRow, LedgerRow, MessageRow, now

ComputeCost = Callable[[str, int, int], int | None]
"""Price of a call in nanodollars, from model reference, prompt tokens and completion tokens."""

IsLost = Callable[[str, str | None, str, datetime | None], bool | None]
"""Return whether a call's worker is dead, from worker, answer id, call id and last heartbeat.

None if that is unknown.
"""

MAX_CALL_DURATION = timedelta(hours=1)  # a running call older than this is considered lost

# The worker of an interrupted call may still be alive, so its own end replaces the estimate.
_MAY_END = LedgerRow.status.in_([Status.STREAMING.value, Status.INTERRUPTED.value])
_RUNNING = {"status": Status.STREAMING.value, "completion_tokens": None, "cost_nanos": None}
# The fields of a result are columns, except what limits count.
_END_COLUMNS = tuple(
    each.name for each in fields(EndedCall) if each.name not in ("id", "held_tokens", "held_nanos")
)
_END = (
    update(LedgerRow)
    .where(LedgerRow.id == bindparam("call_id"), _MAY_END)
    .values(
        {name: bindparam(f"new_{name}") for name in _END_COLUMNS}
        | {
            "limit_tokens": case(
                (LedgerRow.model.startswith(OWN_KEY_PREFIX, autoescape=True), 0),
                else_=bindparam("counted_tokens"),
            ),
            "limit_nanos": bindparam("counted_nanos"),
        }
    )
    .execution_options(synchronize_session=False)
)
_SET_PROMPT_TOKENS = (
    update(LedgerRow)
    .where(
        LedgerRow.id == bindparam("call_id"),
        LedgerRow.prompt_tokens.is_(None),
        LedgerRow.status == Status.STREAMING.value,
    )
    .values(prompt_tokens=bindparam("prompt"))
    .execution_options(synchronize_session=False)
)
_RUNNING_WITHOUT_REPLY = select(
    LedgerRow.id,
    LedgerRow.worker,
    LedgerRow.answer_id,
    LedgerRow.created_at,
    LedgerRow.heartbeat_at,
).where(
    LedgerRow.status == Status.STREAMING.value,
    ~exists().where(
        MessageRow.id == LedgerRow.answer_id, MessageRow.status == Status.STREAMING.value
    ),
)


class LedgerStore:
    """Reads and writes ledger rows. `clock` is the time used for limits."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = now) -> None:
        self._engine, self.clock = engine, clock

    def record(self, session: Session, call: NewCall) -> None:
        """Insert a running call. Raises `LimitReached` if it exceeds a limit."""
        if call.rules is not None and call.rules.is_set:
            lock_limits(session, call.owner, call.rules)
            moment = self.clock()
            check_limits(session, call, call.rules, moment)
        else:
            moment = self.clock()
        session.add(
            LedgerRow(
                id=call.id,
                owner=call.owner,
                model=call.model,
                kind=call.kind.value,
                day=moment.date().isoformat(),
                created_at=moment,
                status=Status.STREAMING.value,
                worker=call.worker,
                heartbeat_at=now() if call.kind is CallKind.REPLY else None,
                answer_id=call.answer_id,
                prompt_tokens=call.prompt_tokens,
                is_reported=False,
                is_limited=call.rules is not None,
                limit_tokens=call.reserved_tokens,
                limit_nanos=call.reserved_nanos,
            )
        )
        session.flush()

    def add(self, call: NewCall) -> None:
        """Insert a running call in a transaction of its own; see `record`."""
        with write_transaction(self._engine) as session:
            self.record(session, call)

    def drop(self, call_id: str) -> None:
        """Delete a call that was not made."""
        with write_transaction(self._engine) as session:
            session.execute(delete(LedgerRow).where(LedgerRow.id == call_id))

    def end(self, call: EndedCall) -> None:
        """Complete a call in a transaction of its own; see `end_call`."""
        with write_transaction(self._engine) as session:
            end_call(session, call)

    def record_prompt_tokens(self, call_id: str, prompt_tokens: int) -> None:
        """Store the size of the prompt, which is billed if the worker dies before the end."""
        with write_transaction(self._engine, durable=False) as session:
            session.execute(_SET_PROMPT_TOKENS, {"call_id": call_id, "prompt": prompt_tokens})

    def heartbeat(self, call_id: str) -> None:
        """Record a heartbeat of a reply that is stored elsewhere; undo an interruption."""
        with write_transaction(self._engine, durable=False) as session:
            session.execute(
                update(LedgerRow)
                .where(LedgerRow.id == call_id, _MAY_END)
                .values(heartbeat_at=now(), **_RUNNING)
            )

    def end_abandoned(self, is_lost: IsLost, compute_cost: ComputeCost) -> int:
        """Interrupt running calls of dead workers that have no running reply.

        A call of unknown state is interrupted after `MAX_CALL_DURATION`. Returns the number of
        lost calls.
        """
        with read_transaction(self._engine) as session:
            running = session.execute(_RUNNING_WITHOUT_REPLY).all()
        oldest = self.clock() - MAX_CALL_DURATION
        lost = []
        for id_, worker, answer_id, created_at, heartbeat_at in running:
            verdict = is_lost(worker, answer_id, id_, heartbeat_at)
            if verdict or (verdict is None and created_at < oldest):
                lost.append((id_, heartbeat_at))
        for id_, heartbeat_at in lost:
            with write_transaction(self._engine) as session:
                row = session.get(LedgerRow, id_, with_for_update=True)
                if row is None or row.heartbeat_at != heartbeat_at:
                    continue
                if row.status == Status.STREAMING.value:
                    _interrupt(row, row.prompt_tokens or 0, 0, compute_cost)
        return len(lost)


def end_call(session: Session, call: EndedCall) -> None:
    """Store the result of a call. Only the first result counts; it replaces an estimate."""
    session.execute(
        _END,
        {f"new_{name}": getattr(call, name) for name in _END_COLUMNS}
        | {
            "call_id": call.id,
            "counted_tokens": max(call.prompt_tokens + call.completion_tokens, call.held_tokens),
            "counted_nanos": max(call.cost_nanos or 0, call.held_nanos),
        },
    )


def interrupt_call(session: Session, answer: MessageRow, compute_cost: ComputeCost | None) -> None:
    """Interrupt the running call of an abandoned reply; estimate its usage from the stored text."""
    row = session.scalar(
        select(LedgerRow)
        .where(LedgerRow.answer_id == answer.id, LedgerRow.status == Status.STREAMING.value)
        .with_for_update()
    )
    if row is None:
        return
    # `answer.tokens` counts the text of earlier calls, which a continued reply begins with.
    completion = estimate_tokens(answer.text) - answer.tokens
    if not answer.tokens:
        completion += estimate_tokens(answer.reasoning)
    prompt = row.prompt_tokens
    if prompt is None:  # the worker died before it had counted the prompt
        prompt = _path_tokens(session, answer.parent_id)
    _interrupt(row, prompt, max(0, completion), compute_cost)


def resume_call(session: Session, answer_id: str, worker: str) -> None:
    """Mark the interrupted call of a reply as running: its `worker` is alive."""
    latest = select(func.max(LedgerRow.id)).where(
        LedgerRow.answer_id == answer_id, LedgerRow.worker == worker
    )
    session.execute(
        update(LedgerRow)
        .where(
            LedgerRow.id == latest.scalar_subquery(),
            LedgerRow.status == Status.INTERRUPTED.value,
        )
        .values(_RUNNING)
        .execution_options(synchronize_session=False)
    )


def _interrupt(
    row: LedgerRow, prompt: int, completion: int, compute_cost: ComputeCost | None
) -> None:
    row.status = Status.INTERRUPTED.value
    row.prompt_tokens, row.completion_tokens = prompt, completion
    row.cost_nanos = None
    if compute_cost is not None and row.kind == CallKind.REPLY.value:
        row.cost_nanos = compute_cost(row.model, prompt, completion)
    # The real usage is unknown, so limits keep counting what was reserved.
    used = prompt + completion if is_billed_to_operator(row.model) else 0
    row.limit_tokens = max(used, row.limit_tokens)
    row.limit_nanos = max(row.cost_nanos or 0, row.limit_nanos)


def _path_tokens(session: Session, leaf_id: str | None, max_messages: int = 40) -> int:
    """Estimate the tokens of a question and the messages above it."""
    walk = (
        select(MessageRow.id, MessageRow.parent_id, MessageRow.tokens, MessageRow.depth)
        .where(MessageRow.id == leaf_id)
        .cte("walk", recursive=True)
    )
    parent = aliased(MessageRow)
    leaf_depth = select(MessageRow.depth).where(MessageRow.id == leaf_id).scalar_subquery()
    walk = walk.union_all(
        select(parent.id, parent.parent_id, parent.tokens, parent.depth)
        .join(walk, parent.id == walk.c.parent_id)
        .where(parent.depth > leaf_depth - max_messages)
    )
    texts = session.scalar(select(func.sum(walk.c.tokens + TOKENS_PER_MESSAGE))) or 0
    files = session.scalar(
        select(func.sum(AttachmentRow.tokens)).join(walk, walk.c.id == AttachmentRow.message_id)
    )
    return int(texts) + int(files or 0)

"""The ledger: a row for every call of a provider, written before it is made and ended after it.

The row of a reply is written and ended in the transactions that store the reply; a temporary
conversation lives in another database, and a recording in none: theirs have their own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine, bindparam, case, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from chat.domain.calls import CallKind, EndedCall, NewCall
from chat.domain.message import Status
from chat.domain.person import OWN_KEY_PREFIX, is_billed_to_operator
from chat.domain.token_estimate import TOKENS_PER_MESSAGE, estimate_tokens
from chat.store.engine import reading, writing
from chat.store.limits import check, lock
from chat.store.schema import AttachmentRow, LedgerRow, MessageRow, now

Cost = Callable[[str, int, int], int | None]  # ref, prompt and completion tokens
IsLost = Callable[[str, str | None, str, datetime | None], bool | None]
LONGEST_CALL = timedelta(hours=1)  # one that nobody has ended since is gone

# What was given up is ended by whoever makes the call after all, or goes on.
_MAY_END = LedgerRow.status.in_([Status.STREAMING.value, Status.INTERRUPTED.value])
_RUNS_ON = {"status": Status.STREAMING.value, "completion_tokens": None, "cost_nanos": None}
_END = (
    update(LedgerRow)
    .where(LedgerRow.id == bindparam("of"), _MAY_END)
    .values(
        status=bindparam("ended_as"),
        prompt_tokens=bindparam("prompt"),
        completion_tokens=bindparam("completion"),
        is_reported=bindparam("told"),
        cost_nanos=bindparam("cost"),
        limit_tokens=case(
            (LedgerRow.model.startswith(OWN_KEY_PREFIX, autoescape=True), 0),
            else_=bindparam("counted"),
        ),
        limit_nanos=bindparam("counted_nanos"),
        first_token_ms=bindparam("first_ms"),
        total_ms=bindparam("all_ms"),
        error_code=bindparam("error"),
    )
    .execution_options(synchronize_session=False)
)
_NOTE = (
    update(LedgerRow)
    .where(
        LedgerRow.id == bindparam("of"),
        LedgerRow.prompt_tokens.is_(None),
        LedgerRow.status == Status.STREAMING.value,
    )
    .values(prompt_tokens=bindparam("prompt"))
    .execution_options(synchronize_session=False)
)
_UNSTORED = select(
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
    """`clock` tells the time that limits go by."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = now) -> None:
        self._engine, self.clock = engine, clock

    def record(self, session: Session, call: NewCall) -> None:
        """Write a call down, if it is within the limits; else raise what a person reads."""
        if call.rules is not None and call.rules.is_set:
            lock(session, call.owner, call.rules)
            moment = self.clock()
            check(session, call, call.rules, moment)
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
        """The same in a transaction of its own."""
        with writing(self._engine) as session:
            self.record(session, call)

    def drop(self, call_id: str) -> None:
        """Take a call back that was not made after all."""
        with writing(self._engine) as session:
            session.execute(delete(LedgerRow).where(LedgerRow.id == call_id))

    def end(self, call: EndedCall) -> None:
        with writing(self._engine) as session:
            end_call(session, call)

    def note(self, call_id: str, prompt_tokens: int) -> None:
        """How much is sent: what is billed if nobody lives to tell the end."""
        with writing(self._engine) as session:
            session.execute(_NOTE, {"of": call_id, "prompt": prompt_tokens})

    def beat(self, call_id: str) -> None:
        """A sign of life of a reply that is stored elsewhere; it was not lost if it seemed so."""
        with writing(self._engine) as session:
            session.execute(
                update(LedgerRow)
                .where(LedgerRow.id == call_id, _MAY_END)
                .values(heartbeat_at=now(), **_RUNS_ON)
            )

    def end_abandoned(self, is_lost: IsLost, cost: Cost) -> int:
        """End the calls that nobody makes any more and that no stored reply stands for.

        `is_lost(worker, answer_id, call_id, heartbeat_at)` answers None when it cannot know: then
        a call has as long as the longest may take. Returns how many.
        """
        with reading(self._engine) as session:
            found = session.execute(_UNSTORED).all()
        too_old = self.clock() - LONGEST_CALL
        gone = []
        for id_, worker, answer_id, begun, beat in found:
            known = is_lost(worker, answer_id, id_, beat)
            if known or (known is None and begun < too_old):
                gone.append((id_, beat))
        for id_, beat in gone:
            with writing(self._engine) as session:
                row = session.get(LedgerRow, id_, with_for_update=True)
                is_as_before = row is not None and row.heartbeat_at == beat
                if row is not None and is_as_before and row.status == Status.STREAMING.value:
                    _interrupt(row, row.prompt_tokens or 0, 0, cost)
        return len(gone)


def end_call(session: Session, call: EndedCall) -> None:
    """What a call took. Only the first end counts; one that was estimated is none."""
    session.execute(
        _END,
        {
            "of": call.id,
            "ended_as": call.status.value,
            "prompt": call.prompt_tokens,
            "completion": call.completion_tokens,
            "told": call.is_reported,
            "cost": call.cost_nanos,
            "counted": max(call.prompt_tokens + call.completion_tokens, call.held_tokens),
            "counted_nanos": max(call.cost_nanos or 0, call.held_nanos),
            "first_ms": call.first_token_ms,
            "all_ms": call.total_ms,
            "error": call.error_code,
        },
    )


def interrupt_call(session: Session, answer: MessageRow, cost: Cost | None) -> None:
    """End the call of a reply that nobody writes any more, by what can be told from the text."""
    row = session.scalar(
        select(LedgerRow)
        .where(LedgerRow.answer_id == answer.id, LedgerRow.status == Status.STREAMING.value)
        .with_for_update()
    )
    if row is None:
        return
    # `answer.tokens` counts the text that existed before this call continued it.
    written = estimate_tokens(answer.text) - answer.tokens
    if not answer.tokens:
        written += estimate_tokens(answer.reasoning)
    prompt = row.prompt_tokens
    if prompt is None:  # it died the moment it had begun
        prompt = _path_tokens(session, answer.parent_id)
    _interrupt(row, prompt, max(0, written), cost)


def resume_call(session: Session, answer_id: str, worker: str) -> None:
    """The call of a reply runs on after all: `worker`, which makes it, was not dead."""
    latest = select(func.max(LedgerRow.id)).where(
        LedgerRow.answer_id == answer_id, LedgerRow.worker == worker
    )
    session.execute(
        update(LedgerRow)
        .where(
            LedgerRow.id == latest.scalar_subquery(),
            LedgerRow.status == Status.INTERRUPTED.value,
        )
        .values(_RUNS_ON)
        .execution_options(synchronize_session=False)
    )


def _interrupt(row: LedgerRow, prompt: int, completion: int, cost: Cost | None) -> None:
    row.status = Status.INTERRUPTED.value
    row.prompt_tokens, row.completion_tokens = prompt, completion
    row.cost_nanos = None
    if cost is not None and row.kind == CallKind.REPLY.value:
        row.cost_nanos = cost(row.model, prompt, completion)
    # Nobody knows what was written of a temporary reply: limits go on counting what was reserved.
    taken = prompt + completion if is_billed_to_operator(row.model) else 0
    row.limit_tokens = max(taken, 0 if completion else row.limit_tokens)
    row.limit_nanos = max(row.cost_nanos or 0, 0 if completion else row.limit_nanos)


def _path_tokens(session: Session, leaf_id: str | None, most_messages: int = 40) -> int:
    """About what a question and the messages before it take."""
    walk = (
        select(MessageRow.id, MessageRow.parent_id, MessageRow.tokens, MessageRow.depth)
        .where(MessageRow.id == leaf_id)
        .cte("walk", recursive=True)
    )
    above = aliased(MessageRow)
    first = select(MessageRow.depth).where(MessageRow.id == leaf_id).scalar_subquery()
    walk = walk.union_all(
        select(above.id, above.parent_id, above.tokens, above.depth)
        .join(walk, above.id == walk.c.parent_id)
        .where(above.depth > first - most_messages)
    )
    texts = session.scalar(select(func.sum(walk.c.tokens + TOKENS_PER_MESSAGE))) or 0
    files = session.scalar(
        select(func.sum(AttachmentRow.tokens)).join(walk, walk.c.id == AttachmentRow.message_id)
    )
    return int(texts) + int(files or 0)

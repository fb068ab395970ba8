"""Whether one more call is within the limits, counted and reserved in one transaction.

Whoever counts holds a lock until the call is written down, so that two cannot both take the last
one: SQLite has one writer, PostgreSQL locks by name, the owner's first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, bindparam, case, func, literal, select, text
from sqlalchemy.orm import Session

from chat.domain.calls import CallKind, NewCall
from chat.domain.limits import DAY, MINUTE, LimitRules, Limits, format_dollars, format_wait
from chat.domain.message import Status
from chat.errors import (
    InstanceLimit,
    LimitReached,
    RequestTooExpensive,
    RequestTooLarge,
    SpendingLimitReached,
    TokenLimitReached,
    TooManyMessages,
    TooManyReplies,
)
from chat.store.schema import LedgerRow

_BIT = timedelta(microseconds=1)
_INSTANCE = 7205759405  # the name of the lock for all of them


@dataclass(frozen=True, slots=True)
class _Measure:
    """One limit: what a call adds to it, and over which time it is counted."""

    name: str  # of its sum in `_USED`
    amount: ColumnElement[int]
    wanted: int
    limit: int | None
    span: timedelta
    error: type[LimitReached]
    told: str  # the limit as people read it
    told_of_all: str


_BY_OWNER = LedgerRow.owner == bindparam("owner")
# Not what seems to come either, after a clock was set back: nobody shall wait long for it.
_LATELY = LedgerRow.created_at.between(bindparam("minute_ago"), bindparam("in_a_minute"))
_USED = select(
    func.count(case((_LATELY, 1))).label("of_minute"),
    func.count().label("of_day"),
    func.sum(LedgerRow.limit_tokens).label("tokens"),
    func.sum(LedgerRow.limit_nanos).label("nanos"),
).where(
    LedgerRow.created_at > bindparam("since"),
    LedgerRow.created_at < bindparam("until"),
    LedgerRow.is_limited,
)
_USED_BY_OWNER = _USED.where(_BY_OWNER)
_RUNNING = select(func.count()).where(
    LedgerRow.status == Status.STREAMING.value,
    LedgerRow.kind == CallKind.REPLY.value,
    LedgerRow.is_limited,
)
_RUNNING_OF_OWNER = _RUNNING.where(_BY_OWNER)


def lock(session: Session, owner: str, rules: LimitRules) -> None:
    """Let nobody else count until this transaction is over."""
    if session.get_bind().dialect.name != "postgresql":
        return  # `writing` holds the only lock there is
    names = []
    if rules.own.is_set:
        digest = hashlib.sha256(owner.encode()).digest()
        names.append(int.from_bytes(digest[:8], "big", signed=True))
    if rules.all.is_set:
        names.append(_INSTANCE)
    for name in names:
        session.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": name})


def check(session: Session, call: NewCall, rules: LimitRules, now: datetime) -> None:
    """Raises a `Refused` when `call` is too much; of several, the one that lasts longest."""
    _check_size(call, rules)
    found = [
        *_exceeded(session, call, rules.own, call.owner, now),
        *_exceeded(session, call, rules.all, None, now),
    ]
    if found:
        raise max(found, key=lambda error: error.again_at or now)


def _check_size(call: NewCall, rules: LimitRules) -> None:
    """What could not be sent on an empty day either."""
    prompt = call.prompt_tokens or 0
    if rules.request_tokens is not None and prompt > rules.request_tokens:
        raise RequestTooLarge(prompt, rules.request_tokens)
    for limits in (rules.own, rules.all):
        if limits.tokens_per_day is not None and call.reserved_tokens > limits.tokens_per_day:
            raise RequestTooLarge(call.reserved_tokens, limits.tokens_per_day)
        if limits.nanos_per_day is not None and call.reserved_nanos > limits.nanos_per_day:
            raise RequestTooExpensive(
                format_dollars(call.reserved_nanos), format_dollars(limits.nanos_per_day)
            )


def _exceeded(
    session: Session, call: NewCall, limits: Limits, owner: str | None, now: datetime
) -> Iterator[LimitReached]:
    measures = [each for each in _measures(call, limits) if each.limit is not None]
    used = _used(session, measures, owner, now)
    for measure in measures:
        assert measure.limit is not None
        if used[measure.name] + measure.wanted > measure.limit:
            here: list[ColumnElement[bool]] = [
                LedgerRow.created_at > now - measure.span,
                LedgerRow.created_at < now + measure.span,
                LedgerRow.is_limited.expression,
                *_of(owner),
            ]
            again_at = _again_at(session, measure, here)
            if again_at is None:
                continue
            told = format_wait(again_at - now)
            if owner is None:
                yield InstanceLimit(when=told, again_at=again_at, limit=measure.told_of_all)
            else:
                span = "a minute" if measure.span is MINUTE else "24 hours"
                yield measure.error(when=told, again_at=again_at, limit=measure.told, span=span)
    most = limits.concurrent_replies
    if most is not None and call.kind is CallKind.REPLY and _running(session, owner) >= most:
        if owner is None:
            told = f"{most:,} replies at once"
            yield InstanceLimit(when="when one of them has ended", limit=told)
        else:
            yield TooManyReplies(limit=f"{most:,}")


def _measures(call: NewCall, limits: Limits) -> Iterator[_Measure]:
    one: ColumnElement[int] = literal(1, BigInteger)
    for name, count, span, unit in (
        ("of_minute", limits.messages_per_minute, MINUTE, "minute"),
        ("of_day", limits.messages_per_day, DAY, "day"),
    ):
        told = f"{count or 0:,}"
        yield _Measure(
            name, one, 1, count, span, TooManyMessages, told, f"{told} messages a {unit}"
        )
    tokens = f"{limits.tokens_per_day or 0:,}"
    yield _Measure(
        "tokens",
        LedgerRow.limit_tokens.expression,
        call.reserved_tokens,
        limits.tokens_per_day,
        DAY,
        TokenLimitReached,
        tokens,
        f"{tokens} tokens a day",
    )
    money = format_dollars(limits.nanos_per_day or 0)
    yield _Measure(
        "nanos",
        LedgerRow.limit_nanos.expression,
        call.reserved_nanos,
        limits.nanos_per_day,
        DAY,
        SpendingLimitReached,
        money,
        f"${money} a day",
    )


def _used(
    session: Session, measures: Sequence[_Measure], owner: str | None, now: datetime
) -> Mapping[str, int]:
    """What was used of each, counted in one go, no further back than the longest time."""
    if not measures:
        return {}
    span = max(measure.span for measure in measures)
    values = {"since": now - span, "until": now + span}
    values |= {"minute_ago": now - MINUTE + _BIT, "in_a_minute": now + MINUTE - _BIT}
    if owner is None:
        row = session.execute(_USED, values)
    else:
        row = session.execute(_USED_BY_OWNER, {**values, "owner": owner})
    return {name: int(amount or 0) for name, amount in row.mappings().one().items()}


def _again_at(
    session: Session, measure: _Measure, here: list[ColumnElement[bool]]
) -> datetime | None:
    """When enough of what is counted is older than the span.

    Of the rows, newest first, the first one with which the wanted amount does not fit must leave.
    None: it fits by now, for a call that ends takes no lock and gives back what it held.
    """
    newest_first = (LedgerRow.created_at.desc(), LedgerRow.id.desc())
    rows = (
        select(
            LedgerRow.created_at,
            func.sum(measure.amount).over(order_by=newest_first).label("so_far"),
        )
        .where(*here)
        .subquery()
    )
    leaves: datetime | None = session.scalar(
        select(func.max(rows.c.created_at)).where(rows.c.so_far + measure.wanted > measure.limit)
    )
    return None if leaves is None else leaves + measure.span


def _running(session: Session, owner: str | None) -> int:
    if owner is None:
        return session.scalar(_RUNNING) or 0
    return session.scalar(_RUNNING_OF_OWNER, {"owner": owner}) or 0


def _of(owner: str | None) -> list[ColumnElement[bool]]:
    return [] if owner is None else [LedgerRow.owner == owner]

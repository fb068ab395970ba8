"""Rate limits and budgets over the ledger: sliding windows for an owner and for the instance.

Checking and reserving happen in one transaction under a lock, so that two calls cannot both take
the last slot. SQLite has a single writer; PostgreSQL uses advisory locks, always the owner's
before the instance's, which rules out deadlocks.
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

_RESOLUTION = timedelta(microseconds=1)
_INSTANCE_LOCK = 7205759405


@dataclass(frozen=True, slots=True)
class _Quota:
    """One limit: its sliding window, and the amount that the new call adds to it.

    `limit_text` is the limit as an owner reads it, `instance_limit_text` with its unit.
    """

    name: str  # of the column in `_USED`
    amount: ColumnElement[int]
    requested: int
    limit: int | None
    window: timedelta
    error: type[LimitReached]
    limit_text: str
    instance_limit_text: str


_BY_OWNER = LedgerRow.owner == bindparam("owner")
# The upper bound excludes rows from the future, which exist after a clock was set back.
_IN_MINUTE = LedgerRow.created_at.between(bindparam("minute_ago"), bindparam("in_a_minute"))
_USED = select(
    func.count(case((_IN_MINUTE, 1))).label("of_minute"),
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


def lock_limits(session: Session, owner: str, rules: LimitRules) -> None:
    """Block other checks of the same limits until this transaction ends."""
    if session.get_bind().dialect.name != "postgresql":
        return  # `write_transaction` holds SQLite's only write lock
    keys = []
    if rules.per_owner.is_set:
        digest = hashlib.sha256(owner.encode()).digest()
        keys.append(int.from_bytes(digest[:8], "big", signed=True))
    if rules.instance.is_set:
        keys.append(_INSTANCE_LOCK)
    for key in keys:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def check_limits(session: Session, call: NewCall, rules: LimitRules, now: datetime) -> None:
    """Raise the `LimitReached` that lasts longest if `call` exceeds a limit.

    Raises `RequestTooLarge` or `RequestTooExpensive` if the call alone exceeds a limit.
    """
    _check_size(call, rules)
    found = [
        *_exceeded(session, call, rules.per_owner, call.owner, now),
        *_exceeded(session, call, rules.instance, None, now),
    ]
    if found:
        raise max(found, key=lambda error: error.again_at or now)


def _check_size(call: NewCall, rules: LimitRules) -> None:
    """Raise if the call would exceed a limit even with nothing used before."""
    prompt = call.prompt_tokens or 0
    if rules.request_tokens is not None and prompt > rules.request_tokens:
        raise RequestTooLarge(prompt, rules.request_tokens)
    for limits in (rules.per_owner, rules.instance):
        if limits.tokens_per_day is not None and call.reserved_tokens > limits.tokens_per_day:
            raise RequestTooLarge(call.reserved_tokens, limits.tokens_per_day)
        if limits.nanos_per_day is not None and call.reserved_nanos > limits.nanos_per_day:
            raise RequestTooExpensive(
                format_dollars(call.reserved_nanos), format_dollars(limits.nanos_per_day)
            )


def _exceeded(
    session: Session, call: NewCall, limits: Limits, owner: str | None, now: datetime
) -> Iterator[LimitReached]:
    quotas = [quota for quota in _quotas(call, limits) if quota.limit is not None]
    used = _used(session, quotas, owner, now)
    for quota in quotas:
        assert quota.limit is not None
        if used[quota.name] + quota.requested > quota.limit:
            conditions: list[ColumnElement[bool]] = [
                LedgerRow.created_at > now - quota.window,
                LedgerRow.created_at < now + quota.window,
                LedgerRow.is_limited.expression,
                *_owned_by(owner),
            ]
            again_at = _again_at(session, quota, conditions)
            if again_at is None:
                continue
            delay = format_wait(again_at - now)
            if owner is None:
                yield InstanceLimit(when=delay, again_at=again_at, limit=quota.instance_limit_text)
            else:
                span = "a minute" if quota.window is MINUTE else "24 hours"
                yield quota.error(when=delay, again_at=again_at, limit=quota.limit_text, span=span)
    most = limits.concurrent_replies
    if most is not None and call.kind is CallKind.REPLY and _running(session, owner) >= most:
        if owner is None:
            limit = f"{most:,} replies at once"
            yield InstanceLimit(when="when one of them has ended", limit=limit)
        else:
            yield TooManyReplies(limit=f"{most:,}")


def _quotas(call: NewCall, limits: Limits) -> Iterator[_Quota]:
    one: ColumnElement[int] = literal(1, BigInteger)
    for name, count, window, unit in (
        ("of_minute", limits.messages_per_minute, MINUTE, "minute"),
        ("of_day", limits.messages_per_day, DAY, "day"),
    ):
        limit = f"{count or 0:,}"
        yield _Quota(
            name, one, 1, count, window, TooManyMessages, limit, f"{limit} messages a {unit}"
        )
    tokens = f"{limits.tokens_per_day or 0:,}"
    yield _Quota(
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
    yield _Quota(
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
    session: Session, quotas: Sequence[_Quota], owner: str | None, now: datetime
) -> Mapping[str, int]:
    """Return the amount used of each quota, by name, from one query over the longest window."""
    if not quotas:
        return {}
    window = max(quota.window for quota in quotas)
    values = {"since": now - window, "until": now + window}
    values |= {
        "minute_ago": now - MINUTE + _RESOLUTION,
        "in_a_minute": now + MINUTE - _RESOLUTION,
    }
    if owner is None:
        row = session.execute(_USED, values)
    else:
        row = session.execute(_USED_BY_OWNER, {**values, "owner": owner})
    return {name: int(amount or 0) for name, amount in row.mappings().one().items()}


def _again_at(
    session: Session, quota: _Quota, conditions: list[ColumnElement[bool]]
) -> datetime | None:
    """Return when enough of the quota has left its window to fit the requested amount.

    Sums the rows from the newest; the first row with which the request does not fit has to leave
    the window. None if the request fits by now: calls end without taking the lock, and an ending
    call releases what it had reserved.
    """
    newest_first = (LedgerRow.created_at.desc(), LedgerRow.id.desc())
    rows = (
        select(
            LedgerRow.created_at,
            func.sum(quota.amount).over(order_by=newest_first).label("running_total"),
        )
        .where(*conditions)
        .subquery()
    )
    leaves: datetime | None = session.scalar(
        select(func.max(rows.c.created_at)).where(
            rows.c.running_total + quota.requested > quota.limit
        )
    )
    return None if leaves is None else leaves + quota.window


def _running(session: Session, owner: str | None) -> int:
    if owner is None:
        return session.scalar(_RUNNING) or 0
    return session.scalar(_RUNNING_OF_OWNER, {"owner": owner}) or 0


def _owned_by(owner: str | None) -> list[ColumnElement[bool]]:
    return [] if owner is None else [LedgerRow.owner == owner]

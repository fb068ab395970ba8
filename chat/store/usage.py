"""Usage reports over the ledger: sums by day and model, and latency of the first token."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Engine, case, func, select
from sqlalchemy.orm import Session

from chat.domain.limits import NANOS_PER_DOLLAR
from chat.domain.message import Status
from chat.domain.usage import UsageLine, UsageReport, median_and_p90
from chat.store.engine import read_transaction
from chat.store.schema import LedgerRow

MAX_LATENCY_SAMPLES = 20_000  # of the newest replies

_RUNS = LedgerRow.status == Status.STREAMING.value
_FAILED = LedgerRow.status == Status.FAILED.value
_HAS_RATE = (
    (LedgerRow.completion_tokens > 0)
    & LedgerRow.first_token_ms.is_not(None)
    & (LedgerRow.total_ms > LedgerRow.first_token_ms)
)


class UsageStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def report(
        self, owner: str | None, days: int, now: datetime, *, by_owner: bool = False
    ) -> UsageReport:
        """Report the last `days` UTC days, including today, of one owner or of all (None)."""
        since = (now.date() - timedelta(days=days - 1)).isoformat()
        conditions = [LedgerRow.day >= since]
        # Redundant, but the index is on `created_at`.
        conditions.append(LedgerRow.created_at >= now - timedelta(days=days))
        if owner is not None:
            conditions.append(LedgerRow.owner == owner)
        with read_transaction(self._engine) as session:
            lines = _lines(session, conditions, by_owner=by_owner)
            times = _first_tokens(session, conditions)
            errors = session.execute(
                select(LedgerRow.error_code, func.count())
                .where(*conditions, LedgerRow.error_code.is_not(None))
                .group_by(LedgerRow.error_code)
                .order_by(func.count().desc(), LedgerRow.error_code)
            ).all()
        by_line: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for day, model, line_owner, first in times:
            by_line[day, model, line_owner if by_owner else ""].append(first)
        timed = tuple(
            _timed(line, by_line[line.day.isoformat() if line.day else "", line.model, line.owner])
            for line in lines
        )
        total = _timed(_sum(timed), [first for *_, first in times])
        return UsageReport(days, timed, total, tuple((str(code), n) for code, n in errors))


def _lines(
    session: Session, conditions: list[ColumnElement[bool]], *, by_owner: bool
) -> list[UsageLine]:
    def total(amount: Any, condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((condition, amount), else_=0)), 0)

    prompt = func.coalesce(LedgerRow.prompt_tokens, 0)
    completion = func.coalesce(LedgerRow.completion_tokens, 0)
    held = LedgerRow.limit_tokens - prompt - completion
    group = [LedgerRow.day, LedgerRow.model, *([LedgerRow.owner] if by_owner else [])]
    sums = {
        "calls": func.count(),
        "running": total(1, _RUNS),
        "failed": total(1, _FAILED),
        "prompt_tokens": total(prompt, ~_RUNS),
        "completion_tokens": total(completion, ~_RUNS),
        "estimated_tokens": total(prompt + completion, ~_RUNS & ~LedgerRow.is_reported),
        "held_tokens": total(held, ~_RUNS & (held > 0)),
        "nanos": total(LedgerRow.cost_nanos, LedgerRow.cost_nanos.is_not(None)),
        "unpriced": total(1, ~_RUNS & LedgerRow.cost_nanos.is_(None)),
        "timed_tokens": total(completion, _HAS_RATE),
        "timed_ms": total(LedgerRow.total_ms - LedgerRow.first_token_ms, _HAS_RATE),
    }
    rows = session.execute(
        select(*group, *(amount.label(name) for name, amount in sums.items()))
        .where(*conditions)
        .group_by(*group)
        .order_by(LedgerRow.day.desc(), *group[1:])
    )
    lines = []
    for row in rows.mappings():
        counts = {name: int(row[name]) for name in sums if name != "nanos"}
        lines.append(
            UsageLine(
                day=date.fromisoformat(row["day"]),
                model=row["model"],
                owner=row["owner"] if by_owner else "",
                cost_usd=Decimal(int(row["nanos"])) / NANOS_PER_DOLLAR,
                **counts,
            )
        )
    return lines


def _first_tokens(session: Session, conditions: list[ColumnElement[bool]]) -> list[tuple[Any, ...]]:
    rows = session.execute(
        select(LedgerRow.day, LedgerRow.model, LedgerRow.owner, LedgerRow.first_token_ms)
        .where(*conditions, LedgerRow.first_token_ms.is_not(None))
        .order_by(LedgerRow.created_at.desc())
        .limit(MAX_LATENCY_SAMPLES)
    )
    return [tuple(row) for row in rows]


def _timed(line: UsageLine, times: list[int]) -> UsageLine:
    median, p90 = median_and_p90(times)
    return replace(line, first_token_ms=median, p90_first_token_ms=p90)


def _sum(lines: tuple[UsageLine, ...]) -> UsageLine:
    names = (
        *("calls", "running", "failed", "prompt_tokens", "completion_tokens", "estimated_tokens"),
        *("held_tokens", "unpriced", "timed_tokens", "timed_ms"),
    )
    counts = {name: sum(getattr(line, name) for line in lines) for name in names}
    return UsageLine(cost_usd=sum((line.cost_usd for line in lines), Decimal(0)), **counts)

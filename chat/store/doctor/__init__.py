"""Consistency checks of the database, with repairs.

Checks run one after the other, in an order in which no repair undoes an earlier one; each repair
has a transaction of its own. Findings contain ids and counts, never text of users.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine

from chat.store.doctor import cells, files, index, money, orphans, running, tree
from chat.store.doctor.checks import Check, Finding, Liveness
from chat.store.engine import read_transaction, write_transaction

__all__ = ["Finding", "Liveness", "examine"]


def all_checks(engine: Engine, liveness: Liveness) -> list[Check]:
    return [
        *files.database_checks(engine),
        *cells.checks(engine),
        *orphans.CHECKS,
        *tree.CHECKS,
        *running.checks(engine, liveness),
        *money.checks(engine, liveness),
        *files.CHECKS,
        *index.checks(engine),  # last, to index the repaired rows
    ]


def examine(engine: Engine, liveness: Liveness, *, repairs: bool) -> Iterator[Finding]:
    """Run all checks and yield a finding for each, after its repair. Raises `StoreFailed`."""
    for check in all_checks(engine, liveness):
        ids = _find(engine, check)
        is_repaired = False
        if ids and repairs and check.can_repair:
            is_repaired = _repair(engine, check)
        yield Finding(check.name, check.problem, tuple(ids), is_repaired, check.advice)


def _find(engine: Engine, check: Check) -> list[str]:
    begin = write_transaction if check.needs_write_lock else read_transaction
    with begin(engine) as session:
        return check.find(session)


def _repair(engine: Engine, check: Check) -> bool:
    """Repair and return whether the check finds nothing afterwards."""
    if check.standalone_repair is not None:
        check.standalone_repair()
        return not _find(engine, check)
    assert check.repair is not None
    with write_transaction(engine) as session:
        check.repair(session, check.find(session))  # finds again, in the write transaction
        session.flush()
        session.expire_all()
        return not check.find(session)

"""Looks for what must not be in the database, and puts right what can be put right.

One kind of fault after the other, each repaired in a transaction of its own, in an order in which
no repair undoes an earlier one. Tells ids and counts, never what somebody wrote.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine

from chat.store.doctor import files, index, money, orphans, running, tree
from chat.store.doctor.kinds import Finding, Kind, Signs
from chat.store.engine import read_transaction, write_transaction

__all__ = ["Finding", "Signs", "examine"]


def kinds_of(engine: Engine, signs: Signs) -> list[Kind]:
    return [
        *files.of_database(engine),
        *orphans.KINDS,
        *tree.KINDS,
        *running.kinds(engine, signs),
        *money.kinds(engine, signs),
        *files.KINDS,
        *index.kinds(engine),  # last: what is repaired above is indexed anew
    ]


def examine(engine: Engine, signs: Signs, *, repairs: bool) -> Iterator[Finding]:
    """What there is of each kind of fault, found one by one. Raises `StoreFailed`."""
    for kind in kinds_of(engine, signs):
        ids = _find(engine, kind)
        is_repaired = False
        if ids and repairs and kind.can_repair:
            is_repaired = _repair(engine, kind)
        yield Finding(kind.name, kind.wrong, tuple(ids), is_repaired, kind.advice)


def _find(engine: Engine, kind: Kind) -> list[str]:
    with (write_transaction if kind.finds_alone else read_transaction)(engine) as session:
        return kind.find(session)


def _repair(engine: Engine, kind: Kind) -> bool:
    """Whether nothing of the kind is left."""
    if kind.repair_apart is not None:
        kind.repair_apart()
        return not _find(engine, kind)
    assert kind.repair is not None
    with write_transaction(engine) as session:
        kind.repair(session, kind.find(session))  # it may have changed since
        session.flush()
        session.expire_all()
        return not kind.find(session)

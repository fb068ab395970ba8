"""Values of the doctor: a check with its repair, and a finding."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from chat.store.ledger import ComputeCost, IsLost
from chat.store.replies import IsAbandoned

Find = Callable[[Session], list[str]]
Repair = Callable[[Session, list[str]], None]


@dataclass(frozen=True, slots=True)
class Liveness:
    """Detects abandoned replies and calls, and computes the cost of their calls.

    If `is_abandoned` returns None, the reply has to be checked again after a `pause`.
    """

    is_abandoned: IsAbandoned
    is_lost: IsLost
    compute_cost: ComputeCost
    pause: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of inconsistency. `find` returns the ids of the affected rows.

    `problem` completes "3 …" in reports. `standalone_repair` manages its own transactions. With
    `needs_write_lock`, `find` runs in a write transaction. `advice` is given if there is no repair.
    """

    name: str
    problem: str
    find: Find
    repair: Repair | None = None
    standalone_repair: Callable[[], object] | None = None
    advice: str = ""
    needs_write_lock: bool = False

    @property
    def can_repair(self) -> bool:
        return self.repair is not None or self.standalone_repair is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: the ids found before the repair, and whether it succeeded."""

    name: str
    problem: str
    ids: tuple[str, ...]
    is_repaired: bool
    advice: str

    @property
    def is_clean(self) -> bool:
        return not self.ids or self.is_repaired

"""What a kind of fault is: how it is found, and how it is put right."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat.store.ledger import ComputeCost, IsLost

Find = Callable[[Session], list[str]]
Repair = Callable[[Session, list[str]], None]


@dataclass(frozen=True, slots=True)
class Signs:
    """How to tell what is still at work from what is dead, and what a call cost."""

    # Of a reply: id, worker, heartbeat. None: it has to be looked at again, after a `pause`.
    is_abandoned: Callable[[str, str | None, datetime | None], bool | None]
    is_lost: IsLost  # of a call; None: nobody knows
    cost: ComputeCost
    pause: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class Kind:
    """`wrong` ends the sentence "3 …". `repair_apart` is for what has transactions of its own.

    What `finds_alone` has the lock of a writer to look.
    """

    name: str
    wrong: str
    find: Find
    repair: Repair | None = None
    repair_apart: Callable[[], object] | None = None
    advice: str = ""  # where nothing can be repaired
    finds_alone: bool = False

    @property
    def can_repair(self) -> bool:
        return self.repair is not None or self.repair_apart is not None


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    wrong: str
    ids: tuple[str, ...]
    is_repaired: bool
    advice: str

    @property
    def is_clean(self) -> bool:
        return not self.ids or self.is_repaired

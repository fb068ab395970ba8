"""What whoever runs Parley does with the database as a whole: back it up, restore it, examine it.

Opens the database itself, and brings none to another version but the one that is restored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chat.billing.prices import Prices, read_prices
from chat.config.settings import Settings
from chat.replies.worker_liveness import Worker
from chat.store.backup import maintenance
from chat.store.doctor import Finding, Signs
from chat.store.ledger import ComputeCost

SILENT = timedelta(minutes=10)  # a call that gave a sign since is being made; clocks may differ


def database(settings: Settings) -> str:
    """Which one it is, without its password."""
    return maintenance.name_of(settings.database_url)


def back_up(settings: Settings, file: Path) -> int:
    """Write a copy of the database to a new file; its size in bytes. Raises `BackupFailed`."""
    with maintenance.opened(settings.database_url) as database:
        return database.back_up(file)


def restore(settings: Settings, file: Path, at: datetime, *, replaces: bool) -> Path | None:
    """Fill the database with a backup; the file in which what was there is kept, if there was any.

    Replies that were being written when the backup was made are interrupted. Raises
    `RestoreRefused` and what `back_up` raises; then nothing was changed.
    """
    signs = Signs(lambda *_: True, lambda *_: True, _prices(settings).cost)
    return maintenance.restore(file, settings.database_url, at, replaces=replaces, signs=signs)


def examine(settings: Settings, *, repairs: bool) -> Iterator[Finding]:
    """What is wrong in the database, by kind; what can be repaired is, if that is wanted."""
    worker = Worker()
    signs = signs_of(worker, _prices(settings).cost)
    try:
        with maintenance.opened(settings.database_url) as database:
            yield from database.examine(signs, repairs=repairs)
    finally:
        worker.retire()


def signs_of(
    worker: Worker, cost: ComputeCost, pause: Callable[[float], object] = time.sleep
) -> Signs:
    """Who is at work, for one that looks only now.

    Here a process can be seen. Of one elsewhere the sign of life has to change from one look to
    another, whatever the clocks say: who gave none while it was watched is dead.
    """
    first: dict[str, datetime | None] = {}

    def is_abandoned(answer_id: str, name: str | None, beat: datetime | None) -> bool | None:
        if name is None or worker.is_here(name):
            return name is None or worker.is_gone(name)
        if not worker.is_alive(name, answer_id, beat):
            return True
        return None if first.setdefault(answer_id, beat) == beat else False

    def is_lost(name: str, _: str | None, __: str, beat: datetime | None) -> bool | None:
        if worker.is_gone(name):
            return True
        is_silent = beat is None or datetime.now(UTC) - beat > SILENT
        return None if is_silent else False

    return Signs(is_abandoned, is_lost, cost, pause)


def _prices(settings: Settings) -> Prices:
    return Prices(read_prices(settings.model_prices), settings.values)

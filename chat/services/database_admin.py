"""Maintenance of the whole database for the command line: backup, restore and consistency checks.

Opens the database itself and migrates only a restored one.
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
from chat.store.doctor import Finding, Liveness
from chat.store.ledger import ComputeCost

SILENCE_LIMIT = timedelta(minutes=10)  # since the last heartbeat of a call; allows for clock skew


def database_name(settings: Settings) -> str:
    """Return the path or URL of the database without credentials."""
    return maintenance.display_name(settings.database_url)


def back_up(settings: Settings, file: Path) -> int:
    """Write a backup to a new file and return its size in bytes.

    Raises `BackupFailed`, `SettingsError` and `StoreFailed`.
    """
    with maintenance.open_database(settings.database_url) as database:
        return database.back_up(file)


def restore(settings: Settings, file: Path, at: datetime, *, replaces: bool) -> Path | None:
    """Fill the database with a backup; return the file that keeps the replaced data, if any.

    Replies that were running when the backup was made are interrupted. Raises `RestoreRefused`
    and the errors of `back_up`; the database is unchanged then.
    """
    all_dead = Liveness(lambda *_: True, lambda *_: True, _prices(settings).cost)
    return maintenance.restore(
        file, settings.database_url, at, replaces=replaces, liveness=all_dead
    )


def examine(settings: Settings, *, repairs: bool) -> Iterator[Finding]:
    """Run all consistency checks, with repairs if requested, and yield a finding for each."""
    worker = Worker()
    liveness = observe_liveness(worker, _prices(settings).cost)
    try:
        with maintenance.open_database(settings.database_url) as database:
            yield from database.examine(liveness, repairs=repairs)
    finally:
        worker.retire()


def observe_liveness(
    worker: Worker, compute_cost: ComputeCost, pause: Callable[[float], object] = time.sleep
) -> Liveness:
    """Return a `Liveness` for a process that has not watched any heartbeats before.

    Workers of this machine are checked by their process. A remote worker is alive if its
    heartbeat changes between two checks, and dead if it does not change for a while; clocks of
    different machines are not compared.
    """
    first_seen: dict[str, datetime | None] = {}

    def is_abandoned(
        answer_id: str, name: str | None, heartbeat_at: datetime | None
    ) -> bool | None:
        if name is None:
            return True
        if worker.is_here(name):
            return worker.is_gone(name)
        if not worker.is_alive(name, answer_id, heartbeat_at):
            return True
        return None if first_seen.setdefault(answer_id, heartbeat_at) == heartbeat_at else False

    def is_lost(name: str, _: str | None, __: str, heartbeat_at: datetime | None) -> bool | None:
        if worker.is_gone(name):
            return True
        is_silent = heartbeat_at is None or datetime.now(UTC) - heartbeat_at > SILENCE_LIMIT
        return None if is_silent else False

    return Liveness(is_abandoned, is_lost, compute_cost, pause)


def _prices(settings: Settings) -> Prices:
    return Prices(read_prices(settings.model_prices), settings.values)

"""Find replies and calls that no living process writes any more, and mark them as interrupted."""

from __future__ import annotations

from datetime import datetime

from chat.billing.call_costs import Billing
from chat.replies.runner import ReplyRunner
from chat.replies.worker_liveness import Worker
from chat.store import Store


class Recovery:
    """Recovery of one process. Covers the stores that were added to it, and the ledger."""

    def __init__(self, runner: ReplyRunner, worker: Worker, billing: Billing) -> None:
        self._runner, self._worker, self._billing = runner, worker, billing
        self._stores: tuple[Store, ...] = ()

    def add(self, store: Store) -> None:
        self._stores += (store,)

    def interrupt_abandoned(self) -> int:
        """Mark abandoned replies and calls as interrupted; return their number."""
        cost = self._billing.prices.cost
        count = sum(
            store.replies.interrupt_abandoned(self._is_abandoned, cost) for store in self._stores
        )
        return count + self._billing.ledger.end_abandoned(self._is_lost, cost)

    def _is_abandoned(self, answer_id: str, worker: str | None, heartbeat: datetime | None) -> bool:
        is_here = self._runner.get(answer_id) is not None
        return not is_here and not self._worker.is_alive(worker, answer_id, heartbeat)

    def _is_lost(
        self, worker: str, answer_id: str | None, call_id: str, heartbeat: datetime | None
    ) -> bool | None:
        """Return whether a call's worker will never end it; None if that is unknown."""
        if worker != self._worker.name:
            if heartbeat is None:  # transcriptions have no heartbeat
                return self._worker.is_gone(worker) or None
            return not self._worker.is_alive(worker, call_id, heartbeat)
        return None if answer_id is None else self._runner.get(answer_id) is None

"""Replies and calls that no living process writes any more: found, and ended."""

from __future__ import annotations

from datetime import datetime

from chat.billing.call_costs import Billing
from chat.replies.runner import Replies
from chat.replies.worker_liveness import Worker
from chat.store import Store


class Abandoned:
    """What a process that died has left in one database."""

    def __init__(self, store: Store, replies: Replies, worker: Worker, billing: Billing) -> None:
        self._store, self._replies = store, replies
        self._worker, self._billing = worker, billing

    def end(self) -> int:
        """Mark it as interrupted; how many replies and calls."""
        cost = self._billing.prices.cost
        count = self._store.replies.interrupt_abandoned(self._is_abandoned, cost)
        return count + self._billing.ledger.end_abandoned(self._is_lost, cost)

    def _is_abandoned(self, answer_id: str, worker: str | None, beat: datetime | None) -> bool:
        is_here = self._replies.get(answer_id) is not None
        return not is_here and not self._worker.is_alive(worker, answer_id, beat)

    def _is_lost(
        self, worker: str, answer_id: str | None, call_id: str, beat: datetime | None
    ) -> bool | None:
        """Whether a call will never be ended by its worker; None: nobody can tell."""
        if worker != self._worker.name:
            if beat is None:  # a recording gives no sign of life
                return self._worker.is_gone(worker) or None
            return not self._worker.is_alive(worker, call_id, beat)
        return None if answer_id is None else self._replies.get(answer_id) is None

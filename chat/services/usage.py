"""Usage: the owner's messages, tokens and costs by day and model."""

from __future__ import annotations

from chat.domain.usage import UsageReport
from chat.services.scope import Scope

MAX_DAYS = 366


class UsageService:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def report(self, days: int = 30) -> UsageReport:
        """Return the owner's usage of the last `days` days."""
        return self._scope.runtime.billing.report(self._scope.owner, clamp_days(days))


def clamp_days(days: int) -> int:
    return max(1, min(days, MAX_DAYS))

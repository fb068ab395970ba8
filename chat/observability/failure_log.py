"""Log the first and every tenth of consecutive failures."""

from __future__ import annotations

import logging
import threading
from typing import Any

EVERY = 10


class FailureLog:
    """Counts consecutive failures of one operation. Safe to use from any thread."""

    def __init__(self, log: logging.Logger, operation: str) -> None:
        self._log, self._operation = log, operation
        self._count = 0
        self._lock = threading.Lock()

    def failed(self, error: BaseException, *, with_traceback: bool = False, **fields: Any) -> None:
        """Log a failure, unless it is one of the nine that follow a logged one."""
        with self._lock:
            self._count += 1
            count = self._count
        if count == 1 or count % EVERY == 0:
            self._log.error(
                "%s failed (%s in a row): %s",
                self._operation,
                count,
                type(error).__name__,
                exc_info=error if with_traceback else None,
                extra=fields,
            )

    def succeeded(self) -> None:
        with self._lock:
            count, self._count = self._count, 0
        if count:
            self._log.warning("%s succeeded after %s failures", self._operation, count)

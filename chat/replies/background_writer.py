"""Write to the database beside the event loop of the replies, with retries."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from chat.errors import ParleyError, ServiceClosed
from chat.observability.failure_log import FailureLog

log = logging.getLogger("chat.replies.background_writer")

# A database that is restarted, moved or out of space may take long to come back.
RETRY_FOR = 3600.0  # seconds
MAX_RETRY_INTERVAL = 5.0

Write = Callable[[], object]


class BackgroundWriter:
    """A small thread pool for writes, which may block for as long as the database does."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="parley-save")

    def write_soon(
        self, operation: str, write: Write, submit: Callable[[Coroutine[Any, Any, Any]], object]
    ) -> None:
        """Write in a thread; if that fails, `submit` the retries to the event loop."""

        def attempt() -> None:
            try:
                write()
            except Exception:
                try:
                    submit(self.write_with_retries(operation, write))
                except ServiceClosed:
                    log.error("%s: not stored, the service is closing", operation)

        with contextlib.suppress(RuntimeError):  # the pool is shut down
            self._threads.submit(contextvars.copy_context().run, attempt)

    async def write(self, write: Write) -> None:
        """Write once; raises what `write` raises."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()  # executor threads do not inherit the request id
        await loop.run_in_executor(self._threads, context.run, write)

    async def write_with_retries(
        self, operation: str, write: Write, on_failure: Write = lambda: None, **fields: Any
    ) -> None:
        """Write with retries and exponential backoff; give up and log after `RETRY_FOR`."""
        failures = FailureLog(log, operation)

        def note(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if error is not None:
                failures.failed(error, with_traceback=not isinstance(error, ParleyError), **fields)
            on_failure()

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Exception),
            wait=wait_exponential(multiplier=0.1, max=MAX_RETRY_INTERVAL),
            stop=stop_after_delay(RETRY_FOR),
            after=note,
            reraise=True,
        )
        try:
            await retrying(self.write, write)
            failures.succeeded()
        except Exception:
            log.error("%s: given up", operation, extra=fields)

    def close(self, seconds: float) -> None:
        """Wait up to `seconds` for running writes. One may block on the database for longer."""
        ending = threading.Thread(target=self._threads.shutdown, daemon=True)
        ending.start()
        ending.join(seconds)

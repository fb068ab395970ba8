"""A worker process that other processes presume dead although it still runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from chat import ChatService


@contextmanager
def presumed_dead(service: ChatService) -> Iterator[None]:
    """Stop the service's heartbeat and fail its database, so that it cannot write or recover."""
    service.runtime.worker.retire()
    engine = service.space.store.engine

    def fail(*_: object) -> None:
        raise OperationalError(None, None, RuntimeError("the network is gone"))

    event.listen(engine, "begin", fail)
    end = time.monotonic() + 10
    while engine.pool.checkedout():  # type: ignore[attr-defined]  # let running writes finish
        assert time.monotonic() < end, "a connection is held"
    try:
        yield
    finally:
        event.remove(engine, "begin", fail)

"""A process that is taken for dead: it is a service here, whose end nobody sees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from chat import ChatService


@contextmanager
def taken_for_dead(service: ChatService) -> Iterator[None]:
    """The database fails for it meanwhile, for it would take back what it writes."""
    for each in (service, service.temporary):
        each._worker.retire()
    engine = service._store.engine

    def fail(*_: object) -> None:
        raise OperationalError(None, None, RuntimeError("the network is gone"))

    event.listen(engine, "begin", fail)
    end = time.monotonic() + 10
    while engine.pool.checkedout():  # type: ignore[attr-defined]  # what it is writing now still counts
        assert time.monotonic() < end, "a connection is held"
    try:
        yield
    finally:
        event.remove(engine, "begin", fail)

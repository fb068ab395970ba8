"""Connections to PostgreSQL: timeouts, poolers such as PgBouncer, and few free connections."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

MAX_CONNECTIONS = 15  # of one process, unless DATABASE_CONNECTIONS is set
IDLE_CONNECTIONS = 5  # that are kept open
WAIT_FOR_CONNECTION = 20.0  # seconds, while the server has no free one
# A host that loses power closes no connection. These detect it within 30 seconds.
TIMEOUTS = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds; keepalives pause while sent data is unacknowledged
}
_TOO_MANY_CONNECTIONS = "53300"
# Drivers report no code for a connection that is refused. The wording of the server and of poolers:
_NO_FREE_CONNECTION = re.compile(
    r"too many (?:clients|connections|database connections)|connection slots"
    r"|no more connections|max(?:imum)? (?:number of )?client(?:s| connections)",
    re.IGNORECASE,
)


def make_postgres_engine(url: URL, connections: int = MAX_CONNECTIONS) -> Engine:
    """Return an engine that opens at most `connections` connections; further callers wait."""
    idle = min(IDLE_CONNECTIONS, connections)
    engine = create_engine(
        url,
        pool_size=idle,
        max_overflow=connections - idle,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=_connect_args(url),
    )
    event.listen(engine, "connect", _configure)
    return engine


T = TypeVar("T")


def wait_for_connection(connect: Callable[[], T]) -> T:
    """Call `connect` again until a connection of the pool or of the server is free.

    Raises its error if the server has refused connections for `WAIT_FOR_CONNECTION` seconds, and
    any other error at once.
    """
    deadline, pause = time.monotonic() + WAIT_FOR_CONNECTION, threading.Event()
    while True:
        try:
            return connect()
        except OperationalError as error:
            if not _is_full(error) or time.monotonic() > deadline:
                raise
        pause.wait(0.05)


def _is_full(error: OperationalError) -> bool:
    code = getattr(error.orig, "sqlstate", None)
    return code == _TOO_MANY_CONNECTIONS or bool(_NO_FREE_CONNECTION.search(str(error.orig)))


def _connect_args(url: URL) -> dict[str, Any]:
    """Return the default timeouts, without those that the URL sets itself.

    Prepared statements belong to one server connection, and a pooler in transaction mode
    changes that connection with every transaction.
    """
    timeouts = {name: value for name, value in TIMEOUTS.items() if name not in url.query}
    return {**timeouts, "prepare_threshold": None}


def _configure(connection: Any, _record: object) -> None:
    """Release the locks of a client that hangs in a transaction or lost its network."""
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.commit()

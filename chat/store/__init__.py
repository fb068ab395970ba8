"""Persistence: conversations, messages, attachments, the ledger and the search index.

The only package that uses SQLAlchemy. It returns the frozen values of `chat.domain`, never rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from chat.domain.writes import Outcome
from chat.errors import SettingsError, StoreFailed
from chat.store.access import AccessStore
from chat.store.attachments import AttachmentStore
from chat.store.backup.backup import back_up, estimate_size
from chat.store.contents import StoredContents
from chat.store.conversations import ConversationStore
from chat.store.engine import (
    current_revision,
    error_summary,
    make_engine,
    migrate,
    newest_revision,
)
from chat.store.free_space import require_writable
from chat.store.identities import IdentityStore
from chat.store.kill_switch import SwitchStore
from chat.store.ledger import LedgerStore
from chat.store.messages import MessageStore
from chat.store.open_errors import OPEN_ERRORS, open_failure
from chat.store.postgres import MAX_CONNECTIONS, wait_for_connection
from chat.store.probe import startup_problems
from chat.store.replies import ReplyStore
from chat.store.schema import now
from chat.store.search.hits import Hit
from chat.store.search.search import SearchStore
from chat.store.shares import ShareStore
from chat.store.transfer import PortableStore
from chat.store.usage import UsageStore

log = logging.getLogger("chat.store")

__all__ = ["Hit", "Outcome", "Store"]


class Store:
    """A migrated database. Safe to use from any thread."""

    def __init__(
        self,
        database_url: str,
        *,
        clock: Callable[[], datetime] = now,
        connections: int = MAX_CONNECTIONS,
    ) -> None:
        """Open and migrate the database, with at most `connections` connections to PostgreSQL.

        Raises `SettingsError` if it belongs to another program or was created by a newer version,
        and `DatabaseUnavailable` if it cannot be opened.
        """
        try:
            self.engine = make_engine(database_url, connections)
            if problems := startup_problems(self.engine, database_url):
                self.engine.dispose()
                raise SettingsError(problems)
            migrate(self.engine)
        except OPEN_ERRORS as error:
            log.error("the database cannot be opened: %s", error_summary(error))
            raise open_failure(error) from None
        self.conversations = ConversationStore(self.engine)
        self.ledger = LedgerStore(self.engine, clock)
        self.usage = UsageStore(self.engine)
        self.switches = SwitchStore(self.engine)
        self.messages = MessageStore(self.engine, self.ledger)
        self.replies = ReplyStore(self.engine, self.ledger)
        self.attachments = AttachmentStore(self.engine)
        self.contents = StoredContents(self.engine)
        self.shares = ShareStore(self.engine)
        self.portable = PortableStore(self.engine)
        self.search = SearchStore(self.engine)
        self.access = AccessStore(self.engine)
        self.identities = IdentityStore(self.engine)

    def on_failure(self, callback: Callable[[], object]) -> None:
        """Call `callback` on every database error."""
        event.listen(self.engine, "handle_error", lambda _: callback())

    def back_up(self, file: Path) -> int:
        """Write a copy to a new file and return its size in bytes. Raises `BackupFailed`."""
        return back_up(self.engine, file)

    def size(self) -> int:
        """Estimate the size of a backup in bytes. Raises `StoreFailed`."""
        try:
            return estimate_size(self.engine)
        except SQLAlchemyError as error:
            raise StoreFailed(details=type(error).__name__) from None

    def readiness(self) -> str:
        """Return the failed readiness check ("database" or "migrations"); "" if there is none."""
        try:
            with wait_for_connection(self.engine.connect) as connection:
                is_newest = current_revision(connection) == newest_revision()
                require_writable(connection)
        except (SQLAlchemyError, OSError) as error:
            log.warning("the database is not ready: %s", error_summary(error))
            return "database"
        return "" if is_newest else "migrations"

    def close(self) -> None:
        """Close all connections; those in use are closed when their transaction ends."""
        event.listen(self.engine.pool, "checkin", lambda _, entry: entry.invalidate())
        self.engine.dispose()

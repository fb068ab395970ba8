"""Everything that is kept: conversations, messages and the running text of replies.

The only package that knows SQLAlchemy. What leaves it are the frozen values of `chat.domain`.
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
from chat.store.backup.backup import back_up, size_of
from chat.store.conversations import ConversationStore
from chat.store.corruption import cannot_open
from chat.store.engine import cause, current_revision, make_engine, migrate, newest_revision
from chat.store.kill_switch import SwitchStore
from chat.store.ledger import LedgerStore
from chat.store.messages import MessageStore
from chat.store.probe import in_the_way
from chat.store.replies import ReplyStore
from chat.store.schema import now
from chat.store.search.search import Hit, SearchStore
from chat.store.shares import ShareStore
from chat.store.transfer import PortableStore
from chat.store.usage import UsageStore

log = logging.getLogger("chat.store")

__all__ = ["Hit", "Outcome", "Store"]


class Store:
    """One database, migrated and ready; safe to use from any thread."""

    def __init__(self, database_url: str, *, clock: Callable[[], datetime] = now) -> None:
        """Raises `SettingsError` when there is no such database, or not one of this version."""
        try:
            self.engine = make_engine(database_url)
            if problems := in_the_way(self.engine, database_url):
                self.engine.dispose()
                raise SettingsError(problems)
            migrate(self.engine)
        except (SQLAlchemyError, OSError, ImportError) as error:
            log.error("the database cannot be opened: %s", cause(error))
            raise SettingsError([cannot_open(error)]) from None
        self.conversations = ConversationStore(self.engine)
        self.ledger = LedgerStore(self.engine, clock)
        self.usage = UsageStore(self.engine)
        self.switches = SwitchStore(self.engine)
        self.messages = MessageStore(self.engine, self.ledger)
        self.replies = ReplyStore(self.engine, self.ledger)
        self.attachments = AttachmentStore(self.engine)
        self.shares = ShareStore(self.engine)
        self.portable = PortableStore(self.engine)
        self.search = SearchStore(self.engine)
        self.access = AccessStore(self.engine)

    def on_failure(self, tell: Callable[[], object]) -> None:
        """Call `tell` whenever the database fails."""
        event.listen(self.engine, "handle_error", lambda _: tell())

    def back_up(self, file: Path) -> int:
        """Write a copy to a new file; its size in bytes. Raises `BackupFailed`."""
        return back_up(self.engine, file)

    def size(self) -> int:
        """About how many bytes a copy would take. Raises `StoreFailed`."""
        try:
            return size_of(self.engine)
        except SQLAlchemyError as error:
            raise StoreFailed(details=type(error).__name__) from None

    def readiness(self) -> str:
        """Why nothing can be stored: "database" or "migrations"; empty when all is well."""
        try:
            with self.engine.connect() as connection:
                is_newest = current_revision(connection) == newest_revision()
        except SQLAlchemyError as error:
            log.warning("the database does not answer: %s", cause(error))
            return "database"
        return "" if is_newest else "migrations"

    def close(self) -> None:
        self.engine.dispose()

"""Everything that is kept: conversations, messages and the running text of replies.

The only package that knows SQLAlchemy. What leaves it are the frozen values of `chat.domain`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from chat.errors import SettingsError
from chat.store.access import AccessStore
from chat.store.attachments import AttachmentStore
from chat.store.conversations import ConversationStore
from chat.store.engine import cause, make_engine, migrate
from chat.store.ledger import LedgerStore
from chat.store.messages import MessageStore
from chat.store.portable import PortableStore
from chat.store.replies import Outcome, ReplyStore
from chat.store.schema import now
from chat.store.search import Hit, SearchStore
from chat.store.shares import ShareStore
from chat.store.switches import SwitchStore
from chat.store.usage import UsageStore

log = logging.getLogger("chat.store")

__all__ = ["Hit", "Outcome", "Store"]


class Store:
    """One database, migrated and ready; safe to use from any thread."""

    def __init__(self, database_url: str, *, clock: Callable[[], datetime] = now) -> None:
        """Raises `SettingsError` when there is no such database, or not one of this version."""
        try:
            self.engine = make_engine(database_url)
            migrate(self.engine)
        except (SQLAlchemyError, OSError, ImportError) as error:
            log.error("the database cannot be opened: %s", cause(error))
            raise SettingsError(
                [f"the database at DATABASE_URL cannot be opened ({type(error).__name__})"]
            ) from None
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

    def close(self) -> None:
        self.engine.dispose()

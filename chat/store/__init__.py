"""Everything that is kept: conversations, messages and the running text of replies.

The only package that knows SQLAlchemy. What leaves it are the frozen values of `chat.domain`.
"""

from __future__ import annotations

from chat.store.conversations import ConversationStore
from chat.store.engine import make_engine, migrate
from chat.store.messages import MessageStore
from chat.store.replies import Outcome, ReplyStore

__all__ = ["Outcome", "Store"]


class Store:
    """One database, migrated and ready; safe to use from any thread."""

    def __init__(self, database_url: str) -> None:
        self.engine = make_engine(database_url)
        migrate(self.engine)
        self.conversations = ConversationStore(self.engine)
        self.messages = MessageStore(self.engine)
        self.replies = ReplyStore(self.engine)

    def close(self) -> None:
        self.engine.dispose()

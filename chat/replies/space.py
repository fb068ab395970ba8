"""A store of conversations and the parts that work on it: persistent, or in memory."""

from __future__ import annotations

from chat.replies.dispatcher import Dispatcher
from chat.replies.request_builder import RequestBuilder
from chat.replies.runtime import Runtime
from chat.store import Store


class Space:
    """Conversations of one store. Calls of all spaces are in the one ledger of the runtime."""

    def __init__(self, runtime: Runtime, store: Store) -> None:
        self.store = store
        self.is_temporary = store.ledger is not runtime.billing.ledger
        self.requests = RequestBuilder(
            runtime.settings, runtime.selection, runtime.pricer, runtime.tokenizer, store
        )
        self.dispatcher = Dispatcher(runtime, store, self.requests, is_temporary=self.is_temporary)
        store.on_failure(runtime.metrics.count_database_error)
        runtime.recovery.add(store)

    def close(self) -> None:
        self.store.close()

"""The chat service of a process, and its use cases bound to one owner."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from chat.config.settings import Settings
from chat.errors import ServiceClosed
from chat.observability.io_hook import blocking_io
from chat.replies.runtime import Runtime
from chat.replies.space import Space
from chat.services.access import AccessService
from chat.services.admin import AdminService
from chat.services.attachments import AttachmentService
from chat.services.conversations import ConversationService
from chat.services.messages import MessageService
from chat.services.models import ModelService
from chat.services.scope import Scope
from chat.services.sharing import SharingService
from chat.services.speech import SpeechService
from chat.services.transfer import TransferService
from chat.services.usage import UsageService
from chat.store import Store

log = logging.getLogger("chat.service")

IN_MEMORY = "sqlite://"
TEMPORARY_KEPT = timedelta(days=1)  # after the last message of a temporary conversation
PROVIDER_TIMEOUT, TASK_TIMEOUT = 5.0, 10.0  # seconds at the end, after all replies are stored


class ChatService:
    """The chat service. `as_owner` returns the use cases of one user."""

    def __init__(self, runtime: Runtime, space: Space) -> None:
        self.runtime, self.space = runtime, space
        self.models = ModelService(runtime)
        self.admin = AdminService(runtime, space.store)
        self.access = AccessService(runtime.settings, space.store, runtime.exports)
        self._temporary: Space | None = None
        self._is_closed = False
        self._opening = threading.Lock()

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    def as_owner(self, owner: str, *, is_temporary: bool = False) -> OwnerService:
        """Return the use cases bound to `owner`, which scopes every query.

        With `is_temporary` conversations are kept in memory, up to a day after the last message.
        """
        space = self.temporary_space() if is_temporary else self.space
        return OwnerService(self, Scope(self.runtime, space, owner))

    def temporary_space(self) -> Space:
        """Return the in-memory space, which is opened on first use."""
        if self._is_closed:
            raise ServiceClosed
        if self._temporary is None:
            # Held during the migrations: the others need the space as well. Other pages draw on.
            with blocking_io(), self._opening:
                if self._is_closed:
                    raise ServiceClosed
                if self._temporary is None:
                    self._temporary = Space(self.runtime, Store(IN_MEMORY))
        return self._temporary

    def purge_expired(self) -> int:
        """Delete permanently what is past its time; return the number of conversations.

        These are conversations deleted more than `retention_days` ago, idle temporary ones, and
        files of exports and backups.
        """
        now = datetime.now(UTC)
        self.runtime.exports.remove_expired()
        self.runtime.backups.remove_expired()
        before = now - timedelta(days=self.settings.retention_days)
        count = self.space.store.conversations.purge_deleted(before)
        if self._temporary is not None:
            temporary = self._temporary.store.conversations
            count += temporary.purge_idle(now - TEMPORARY_KEPT) + temporary.purge_deleted(before)
        return count

    def interrupt_abandoned(self) -> int:
        """Mark replies that no living process writes as interrupted; return their number."""
        return self.runtime.recovery.interrupt_abandoned()

    def close(self) -> None:
        """Interrupt and store running replies, then end all threads and connections."""
        with self._opening:
            if self._is_closed:
                return
            self._is_closed = True
        runtime = self.runtime
        runtime.tasks.signal_close()
        runtime.imports.cancel_all()
        runtime.exports.close()
        runtime.backups.close()
        runtime.runner.interrupt_all()
        runtime.runner.wait_for_all()
        with ExitStack() as stack:  # in reverse order; an error keeps nothing else open
            stack.callback(self.space.close)
            if self._temporary is not None:
                stack.callback(self._temporary.close)
            stack.callback(runtime.worker.retire)
            stack.callback(runtime.tasks.join, TASK_TIMEOUT)
            stack.callback(runtime.runner.close)
            stack.callback(self._close_providers)

    def _close_providers(self) -> None:
        runner = self.runtime.runner
        try:
            runner.drain(0.3)
            runner.submit(self.runtime.catalogue.close()).result(PROVIDER_TIMEOUT)
            if self.runtime.transcriber is not None:
                runner.submit(self.runtime.transcriber.close()).result(PROVIDER_TIMEOUT)
        except (TimeoutError, ServiceClosed):
            log.warning("a provider did not close in time")


class OwnerService:
    """The use cases of one owner. Other owners' data raises `NotFound`, like missing data."""

    def __init__(self, service: ChatService, scope: Scope) -> None:
        self.owner, self.settings = scope.owner, service.settings
        self.messages = MessageService(scope)
        self.conversations = ConversationService(scope)
        self.attachments = AttachmentService(scope)
        self.speech = SpeechService(scope)
        self.sharing = SharingService(scope)
        self.transfer = TransferService(scope)
        self.usage = UsageService(scope)
        self.models, self.admin, self.access = service.models, service.admin, service.access

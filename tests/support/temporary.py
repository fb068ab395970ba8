"""Adapter that binds owners to temporary conversations."""

from __future__ import annotations

from chat import ChatService, OwnerService


class TemporaryService:
    """Replacement for `ChatService` in tests that run on both kinds of conversations."""

    def __init__(self, service: ChatService) -> None:
        self.models, self.runtime = service.models, service.runtime
        self.space = service.temporary_space()
        self._service = service

    def as_owner(self, owner: str) -> OwnerService:
        return self._service.as_owner(owner, is_temporary=True)
